//! What turns a memcached 1.6 into one that has no meta commands, as those before it: on the way to it, each
//! meta command loses its name. It answers `ERROR`, and reads what follows as the next command; so an old one does.

/// The stream of one connection to the server. It may be cut anywhere.
#[derive(Default)]
pub struct OldAge {
    /// The beginning of a line whose end is still to come.
    line: Vec<u8>,
    /// So many bytes are still to come that are no command.
    data: usize,
}

/// More than a line can have of what matters here.
const LONGEST: usize = 2048;

impl OldAge {
    /// What the server gets of `bytes`.
    pub fn pass(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut passed = Vec::with_capacity(bytes.len() + self.line.len());
        while !bytes.is_empty() {
            if self.data > 0 {
                let (data, rest) = bytes.split_at(self.data.min(bytes.len()));
                passed.extend_from_slice(data);
                self.data -= data.len();
                bytes = rest;
                continue;
            }
            let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
            let (piece, rest) = bytes.split_at(end);
            self.line.extend_from_slice(piece);
            bytes = rest;
            if self.line.ends_with(b"\n") || self.line.len() > LONGEST {
                self.command();
                passed.append(&mut self.line);
            }
        }
        passed
    }

    /// A whole line is there.
    fn command(&mut self) {
        let words: Vec<&[u8]> = self.line.trim_ascii_end().split(|byte| *byte == b' ').collect();
        match words[0] {
            b"mg" | b"ms" | b"md" | b"ma" | b"mn" | b"me" => self.line[0] = b'x',
            b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" => {
                let bytes =
                    words.get(4).and_then(|word| std::str::from_utf8(word).ok()?.parse::<usize>().ok());
                self.data = bytes.map_or(0, |bytes| bytes + 2);
            }
            _ => {}
        }
    }
}
