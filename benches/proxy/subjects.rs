//! Who is measured: eight memcacheds, and those that stand before them.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::scratch::Scratch;
use crate::support::server::{Memcached, free_port};
use crate::support::{keep, wait};

/// Somebody who is measured.
pub struct Subject {
    /// As the tables call it.
    pub name: String,
    /// Where clients connect: one address, or several between which they choose by the key.
    pub addresses: Vec<String>,
    child: Option<Child>,
    pid: u32,
}

impl Subject {
    /// The process that is measured.
    pub fn pid(&self) -> u32 {
        self.pid
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.child.iter_mut().for_each(keep::kill);
    }
}

/// The servers behind all of them.
pub struct Servers {
    all: Vec<Memcached>,
    alone: Memcached,
    scratch: Scratch,
}

impl Servers {
    /// So many, and one that clients use directly. `idle` connections must find room on it.
    pub fn start(count: usize, idle: usize) -> Servers {
        let room = (idle + 512).to_string();
        Servers {
            all: (0..count).map(|_| Memcached::start()).collect(),
            alone: Memcached::start_with(&["-c", &room]),
            scratch: Scratch::new(),
        }
    }

    /// A memcached that clients use directly.
    pub fn direct(&self) -> Subject {
        let name = "one memcached".to_owned();
        Subject { name, addresses: vec![self.alone.address()], child: None, pid: self.alone.pid() }
    }

    /// All of them, when the clients choose.
    pub fn hashed_by_clients(&self) -> Subject {
        let addresses = self.all.iter().map(Memcached::address).collect();
        let name = format!("{} memcacheds", self.all.len());
        Subject { name, addresses, child: None, pid: self.all[0].pid() }
    }

    /// Debian's twemproxy.
    pub fn nutcracker(&self) -> Subject {
        let (port, figures) = (free_port(), free_port());
        let servers: Vec<_> = self
            .all
            .iter()
            .enumerate()
            .map(|(number, server)| format!("    - {}:1 s{number}\n", server.address()))
            .collect();
        let text = format!(
            "pool:\n  listen: 127.0.0.1:{port}\n  hash: crc32\n  distribution: modula\n  preconnect: true\n  \
             auto_eject_hosts: false\n  servers:\n{}",
            servers.concat()
        );
        let file = self.scratch.write("nutcracker.yml", &text);
        let mut command = Command::new("nutcracker");
        command.arg("-c").arg(file).args(["-a", "127.0.0.1", "-s", &figures.to_string(), "-v", "0"]);
        command.arg("-o").arg(self.scratch.path().join("nutcracker.log"));
        command.arg("-p").arg(self.scratch.path().join("nutcracker.pid"));
        started("nutcracker", &mut command, port)
    }

    /// memcache-proxy, with `backup` as the pool file has it.
    pub fn ours(&self, program: &Path, backup: &str) -> Subject {
        let port = free_port();
        let server = |server: &Memcached| format!("[[server]]\naddress = \"{}\"\n", server.address());
        // A busy machine stops a healthy server for longer than timeouts for production allow.
        let text = format!(
            "[pool]\nname = \"bench-{backup}\"\nbackup = \"{backup}\"\nconnect_timeout = \"5s\"\ntimeout = \"20s\"\n\
             {}[proxy]\nlisten = [\"127.0.0.1:{port}\"]\nconnections = 16000\n",
            self.all.iter().map(server).collect::<String>()
        );
        let file = self.scratch.write(&format!("pool-{backup}.toml"), &text);
        let name = if backup == "none" { "memcache-proxy" } else { "memcache-proxy, backups" };
        let mut command = Command::new(program);
        command.arg("--pool").arg(file).args(["--foreground", "--log-level", "warn"]);
        started(name, &mut command, port)
    }
}

/// Runs a program and waits until it answers.
fn started(name: &str, command: &mut Command, port: u16) -> Subject {
    let child = keep::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()))
        .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
    let pid = child.id();
    let mut subject = Subject {
        name: name.to_owned(),
        addresses: vec![format!("127.0.0.1:{port}")],
        child: Some(child),
        pid,
    };
    wait::until(&format!("an answer of {name}"), || {
        let ended = subject.child.as_mut().and_then(|child| child.try_wait().ok()?);
        assert!(ended.is_none(), "{name} ended: {ended:?}");
        answers(&subject.addresses[0]).then_some(())
    });
    subject
}

/// Whether somebody answers a `get`.
fn answers(address: &str) -> bool {
    use std::io::{Read, Write};
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
    let _ = stream.set_read_timeout(Some(std::time::Duration::from_secs(1)));
    let mut answer = [0; 16];
    stream.write_all(b"get nothing\r\n").is_ok()
        && stream.read(&mut answer).is_ok_and(|count| answer[..count] == *b"END\r\n")
}
