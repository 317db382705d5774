//! Figures about history, as a person and a script see them.

use crate::support::Home;

fn history() -> Home {
    Home::with_history(&["git status", "git commit -m x", "sudo apt-get install vim", "git status", "cat f | sort"])
}

#[test]
fn programs_and_what_they_were_told_are_counted() {
    let home = history();
    let said = home.ok(&["stats"]);
    assert!(said.starts_with("5 commands, 4 different, 4 programs"), "{said}");
    for part in ["Programs\n", "Subcommands\n", "  git status", "  apt-get install", "By hour\n", "2023-11-14"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let json: serde_json::Value = serde_json::from_str(&home.ok(&["stats", "--json", "-n", "2"])).expect("JSON");
    assert_eq!(
        (&json["total"], &json["programs"][0]["text"], &json["programs"][0]["runs"]),
        (&5.into(), &"git".into(), &3.into())
    );
    assert_eq!(json["programs"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["days"][0], serde_json::json!({ "date": "2023-11-14", "runs": 5 }));
}

#[test]
fn a_period_narrows_and_an_empty_one_says_so() {
    let home = history();
    assert!(home.ok(&["stats", "2023"]).starts_with("5 commands"));
    assert!(home.ok(&["stats", "2023-11", "--until", "2023-11-14T22:13:22Z"]).starts_with("2 commands"));
    assert!(home.ok(&["stats", "2023-11", "--since", "2000"]).starts_with("5 commands"));
    assert_eq!(home.run(&["stats", "today", "--since", "99y"]).code(), 1, "an option does not widen a period");
    let none = home.run(&["stats", "2022"]);
    assert_eq!((none.code(), none.stderr().as_str()), (1, "caro: there is no command in that period\n"));
    assert_eq!(home.run(&["stats", "soon"]).code(), 2);
}

#[test]
fn output_is_for_a_narrow_place_and_without_colour_too() {
    let home = history();
    let output = home.command(&["stats"]).env("COLUMNS", "40").env("LANG", "C.UTF-8").output().expect("it runs");
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(said.contains('█') && !said.contains('\x1b'), "{said}");
    let ascii = home.ok(&["stats"]);
    assert!(ascii.is_ascii() && ascii.contains("###"), "{ascii}");
}

#[test]
fn a_year_is_looked_back_on() {
    let home = history();
    let said = home.ok(&["wrapped", "2023"]);
    for part in
        ["2023 in your shell", "Jan", "busiest day: 2023-11-14, with 5", "busiest hour: 22:00 to 23:00", "Your tools"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let json: serde_json::Value = serde_json::from_str(&home.ok(&["wrapped", "2023", "--json"])).expect("JSON");
    assert_eq!((&json["year"], &json["total"]), (&2023.into(), &5.into()));
    let none = home.run(&["wrapped", "2001"]);
    assert_eq!((none.code(), none.stderr().as_str()), (1, "caro: there is no command from 2001\n"));
}
