//! Files of another boot of the machine, as a boot would leave them.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Changes these words of a header, and its checksum so that it is right.
pub fn of_another_boot(path: &Path, words: &[usize], checksum: usize) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("the file");
    let mut bytes = vec![0; checksum];
    file.read_exact_at(&mut bytes, 0).expect("the header");
    words.iter().for_each(|word| bytes[*word] ^= 1);
    file.write_all_at(&bytes, 0).expect("a store");
    let sum = u64::from(crc32fast::hash(&bytes));
    file.write_all_at(&sum.to_ne_bytes(), checksum as u64).expect("a store");
}
