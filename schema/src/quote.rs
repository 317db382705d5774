//! How shells quote a word, so that it means exactly its bytes and is never obeyed. What `caro init` prints and what the
//! daemon writes for the shells' start go by this.

/// For bash and zsh: in single quotes, whatever the shell's options.
pub fn posix(word: &[u8]) -> Vec<u8> {
    in_single_quotes(word, br"'\''", b"\\")
}

/// For fish, in whose single quotes a backslash means something.
pub fn fish(word: &[u8]) -> Vec<u8> {
    in_single_quotes(word, br"\'", br"\\")
}

fn in_single_quotes(word: &[u8], quote: &[u8], backslash: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(quote),
            b'\\' => quoted.extend_from_slice(backslash),
            other => quoted.push(*other),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_word_ends_its_quotes() {
        assert_eq!(posix(b"it's $(x) \\"), br"'it'\''s $(x) \'");
        assert_eq!(fish(b"it's $(x) \\"), br"'it\'s $(x) \\'");
        assert_eq!((posix(b""), fish(b"")), (b"''".to_vec(), b"''".to_vec()));
    }
}
