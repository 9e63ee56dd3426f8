//! What can be wrong with a table, in words for a person.

use std::fmt;
use std::path::PathBuf;

use super::{layout, stripes};

/// Why a table, or what it holds, is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no such file.
    Missing,
    /// The system refused something; what, and its message.
    File(&'static str, String),
    /// The path leads to a symbolic link.
    Link,
    /// The path leads to a directory, a pipe, a device or a socket.
    NotRegular,
    /// The file belongs to this user, whom the reader has no reason to trust.
    Owner(u32),
    /// Others than its owner may write to it; its permission bits.
    Writable(u32),
    /// So many bytes, which no table of this version has.
    Size(u64),
    /// It does not begin as a table does.
    Foreign,
    /// A table of this other version.
    Version(u64),
    /// The header does not have the checksum it names, or says what cannot be.
    Header,
    /// Nothing was published in it yet.
    Empty,
    /// What is published does not have the checksum it names, or is not where the header says.
    Damaged,
    /// The writer overtook the reader again and again; the next try will find it calmer.
    Busy,
    /// What is published makes no sense: which part.
    Content(&'static str),
    /// The table was replaced by another one, which is not there.
    Retired,
    /// This process may not write to the stripes file.
    Denied,
    /// Everybody may write to the stripes file; its permission bits.
    Public(u32),
    /// So many bytes, which no stripes file of this version has.
    StripesSize(u64),
    /// It does not begin as a stripes file does.
    StripesForeign,
    /// A stripes file of this other version.
    StripesVersion(u64),
    /// The stripes file is from before this machine's last boot.
    OtherBoot,
    /// The stripes file's times are not those of this process: it lives in another time namespace.
    OtherClock,
    /// What stands in this epoch's word is none.
    Epoch(u16),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing => f.write_str("there is no such file; is memcache-watchd running for this pool?"),
            Fault::File(what, error) => write!(f, "{what}: {error}"),
            Fault::Link => f.write_str("it is a symbolic link, which is not followed; name the file itself"),
            Fault::NotRegular => f.write_str("it is not a regular file; name a file as the table"),
            Fault::Owner(uid) => write!(
                f,
                "it belongs to the user {uid}; it is used only from root, from the user of this \
                 process, or from the owner of the pool file"
            ),
            Fault::Writable(mode) => write!(
                f,
                "its permissions are {mode:04o}: others than its owner could change it; make it 0644"
            ),
            Fault::Size(found) => write!(
                f,
                "it has {found} bytes, and a table of version {} has {}; restart memcache-watchd, which \
                 makes a new one",
                layout::VERSION,
                layout::FILE_BYTES
            ),
            Fault::Foreign => f.write_str("it is not a memcache table; the pool file's `table` names one"),
            Fault::Version(found) => write!(
                f,
                "it is a table of version {found}, and this library reads version {}; update the older of \
                 the two, then restart memcache-watchd",
                layout::VERSION
            ),
            Fault::Header => {
                f.write_str("its header is damaged; restart memcache-watchd, which makes a new one")
            }
            Fault::Empty => f.write_str("nothing was published in it yet"),
            Fault::Damaged => f.write_str(
                "what is published in it is damaged; restart memcache-watchd, which makes a new one",
            ),
            Fault::Busy => f.write_str("its writer was faster than this reader, again and again; try again"),
            Fault::Content(what) => {
                write!(f, "{what} in it makes no sense; restart memcache-watchd, which makes a new one")
            }
            Fault::Denied => f.write_str(
                "this process may not write to it, so it cannot take turns with the others of this machine; \
                 put its user into the `group` that the pool file's section [watch] names",
            ),
            Fault::Public(mode) => write!(
                f,
                "its permissions are {mode:04o}: everybody could change it; make it 0660, with a group for \
                 the pool's clients"
            ),
            Fault::StripesSize(found) => write!(
                f,
                "it has {found} bytes, and a stripes file of version {} has {}; restart memcache-watchd, which \
                 makes a new one",
                stripes::layout::VERSION,
                stripes::layout::FILE_BYTES
            ),
            Fault::StripesForeign => f.write_str(
                "it is not a stripes file; move it away, then restart memcache-watchd, which makes one",
            ),
            Fault::StripesVersion(found) => write!(
                f,
                "it is a stripes file of version {found}, and this library uses version {}; update the older \
                 of the two, then restart memcache-watchd",
                stripes::layout::VERSION
            ),
            Fault::OtherBoot => f.write_str(
                "it is from before the machine's last boot; start memcache-watchd, which makes a new one",
            ),
            Fault::OtherClock => f.write_str(
                "this process has another clock (a time namespace) than the one that made it; run it \
                 without one",
            ),
            Fault::Epoch(slot) => write!(
                f,
                "the word of epoch {slot} in it is damaged; memcache-watchd writes it anew when it is restarted"
            ),
            Fault::Retired => f.write_str("it was replaced, and the new one cannot be found"),
        }
    }
}

impl std::error::Error for Fault {}

/// A fault of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The table's path, or its stripes file's.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: Fault,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if stripes::is_path(&self.path) { "stripes file" } else { "table" };
        write!(f, "the {what} {}: {}", self.path.display(), self.fault)
    }
}

impl std::error::Error for Refusal {}

/// Why a table could not be made or written: a message with the path and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteError(pub(super) String);

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WriteError {}
