//! An op as it is kept: its exact bytes, and the cells that carry it at the relays, so that they can be purged when
//! nobody needs them any more.

use caro_schema::{
    codec::DecodeError,
    id::{CellId, OpId},
    op::{Header, SignedOp},
};

use caro_link::proof;

/// An op as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The cells that are known to carry it, the first one seen first.
    pub cells: Vec<CellId>,
    /// The encoded op, as received.
    pub op: Vec<u8>,
}

/// Cells of one op. Each device that refills a relay seals anew; what is beyond this many stays at the relay.
const CELLS_MAX: usize = 32;

impl Stored {
    /// An op that came in one cell.
    pub fn new(cell: CellId, op: Vec<u8>) -> Self {
        Self { cells: vec![cell], op }
    }

    /// Remembers another cell. False when it is known, or one too many.
    pub fn add_cell(&mut self, cell: CellId) -> bool {
        let is_new = !self.cells.contains(&cell) && self.cells.len() < CELLS_MAX;
        if is_new {
            self.cells.push(cell);
        }
        is_new
    }

    /// The value of its row: how many cells, their ids, the op.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + self.cells.len() * CellId::LEN + self.op.len());
        bytes.push(self.cells.len() as u8);
        bytes.extend(self.cells.iter().flat_map(|cell| cell.0));
        bytes.extend_from_slice(&self.op);
        bytes
    }

    /// From what [`Self::encode`] gave.
    ///
    /// # Errors
    /// When it did not give this.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (count, rest) = bytes.split_first().ok_or(DecodeError::Malformed)?;
        let (cells, op) = rest.split_at_checked(usize::from(*count) * CellId::LEN).ok_or(DecodeError::Malformed)?;
        Ok(Self { cells: cells.chunks_exact(CellId::LEN).filter_map(CellId::from_slice).collect(), op: op.to_vec() })
    }

    /// The op, taken apart.
    ///
    /// # Errors
    /// When it is none.
    pub fn signed(&self) -> Result<SignedOp, DecodeError> {
        SignedOp::decode(&self.op)
    }

    /// The op's header and id.
    ///
    /// # Errors
    /// When it is no op.
    pub fn header(&self) -> Result<(Header, OpId), DecodeError> {
        let op = self.signed()?;
        Ok((Header::decode(&op.header_bytes)?, proof::op_id(&op.header_bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_and_cut_rows_are_refused() {
        let mut stored = Stored::new(CellId([1; 32]), b"an op".to_vec());
        assert!(stored.add_cell(CellId([2; 32])));
        assert!(!stored.add_cell(CellId([1; 32])));
        let bytes = stored.encode();
        assert!(Stored::decode(&bytes) == Ok(stored));
        for len in 0..1 + 2 * CellId::LEN {
            assert!(Stored::decode(&bytes[..len]).is_err(), "cut at {len}");
        }
    }
}
