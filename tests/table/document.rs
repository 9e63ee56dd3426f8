//! docs/table.md and docs/stripes.md say where everything is: every row of them is compared with the code,
//! and nothing of the code is missing in them.

use std::collections::BTreeMap;

use memcache::table::layout::{BUFFER_BYTES, BUFFERS, FILE_BYTES, body, header, list, progress, record};

/// The rows of a document: section and name, with the offset.
fn documented(name: &str) -> BTreeMap<(String, String), usize> {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a document");
    let (mut section, mut rows) = (String::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            section = title.to_owned();
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if let ["", offset, _, name, ..] = cells[..]
            && let Some(offset) = offset.strip_prefix("0x")
        {
            let offset = usize::from_str_radix(offset, 16).expect("a number");
            let old = rows.insert(
                (section.clone(), name.split(':').next().unwrap_or(name).trim_matches('`').to_owned()),
                offset,
            );
            assert_eq!(old, None, "{section} {name} stands there twice");
        }
    }
    rows
}

macro_rules! offsets {
    ($title:literal, $module:ident: $($name:ident)*) => {
        [$((($title.to_owned(), stringify!($name).to_lowercase()), $module::$name)),*]
    };
}

#[test]
fn the_document_and_the_code_agree() {
    let mut coded = BTreeMap::new();
    coded.extend(offsets!("Header", header: MAGIC VERSION FILE_BYTES CREATED BOOT NAMESPACE PID START BOUND
        CHECKSUM GENERATION HEARTBEAT));
    coded.extend(
        offsets!("Body", body: PUBLISHED FLAGS STRIPES CLOCK SWEEP CURRENT PREVIOUS CURRENT_SLOTS PREVIOUS_SLOTS SERVERS),
    );
    coded.extend(
        offsets!("Sweep", progress: BEGAN UPDATED SOURCES SOURCES_DONE KEYS KEYS_TOTAL MOVED BYTES REFUSED),
    );
    coded.extend(
        offsets!("List", list: SERVERS SLOTS DISTRIBUTION BACKUPS READ_BACKUP HAS_MAX_TTL NAME_LENGTH
        WINDOW MAX_TTL CONNECT_TIMEOUT TIMEOUT NAME),
    );
    coded.extend(
        offsets!("Server", record: WEIGHT BACKUP STATE META SINCE SINCE_BOOT PID START KNOWN MARK HELD_BACK ORDERED EPOCH_SLOT
        EPOCH NAME_LENGTH ADDRESS_LENGTH REASON_LENGTH NAME ADDRESS REASON),
    );
    let place = |name: &str, at| (("File".to_owned(), name.to_owned()), at);
    coded.extend([
        place("header", 0),
        place("buffer of even generations", BUFFERS[0]),
        place("buffer of odd generations", BUFFERS[1]),
        place("end of the file", FILE_BYTES),
    ]);
    let buffer = |name: &str, at| (("Buffer".to_owned(), name.to_owned()), at);
    use memcache::table::buffers::{HEAD_WORDS, SEAL, SEQUENCE};
    coded.extend([
        buffer("sequence", 8 * SEQUENCE),
        buffer("seal", 8 * SEAL),
        buffer("body", 8 * HEAD_WORDS),
        buffer("end of the buffer", BUFFER_BYTES),
    ]);
    assert_eq!(documented("table.md"), coded);
}

#[test]
fn the_document_of_the_stripes_file_and_the_code_agree() {
    use memcache::table::stripes::layout::{
        EPOCHS_AT, FILE_BYTES, INDEXES_AT, JOURNALS_AT, KEYS_AT, NAMESPACES_AT, STRIPES_AT, TRIALS_AT,
        VERSION, header, journal,
    };
    let mut coded = BTreeMap::new();
    coded.extend(
        offsets!("Stripes header", header: MAGIC VERSION FILE_BYTES CREATED BOOT CLOCK ID CHECKSUM CHANGES),
    );
    coded.extend(offsets!("Journal", journal: NAME STATE));
    let place = |name: &str, at| (("Stripes file".to_owned(), name.to_owned()), at);
    coded.extend([
        place("header", 0),
        place("namespaces", NAMESPACES_AT),
        place("epochs", EPOCHS_AT),
        place("trials", TRIALS_AT),
        place("stripes", STRIPES_AT),
        place("journals", JOURNALS_AT),
        place("indexes", INDEXES_AT),
        place("keys", KEYS_AT),
        place("end of the file", FILE_BYTES),
    ]);
    assert_eq!(documented("stripes.md"), coded);
    assert_eq!(VERSION, 2, "the document says so");
}
