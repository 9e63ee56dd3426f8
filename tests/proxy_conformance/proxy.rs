//! memcache-proxy, as cargo built it, on four memcacheds.

use std::path::Path;

use crate::play::{Kind, Subject};
use crate::support::scratch::Scratch;
use crate::support::server::{Memcached, free_port};
use crate::support::service::Service;

/// A proxy and its servers.
pub struct Proxy {
    address: String,
    kind: Kind,
    _service: Service,
    _servers: Vec<Memcached>,
    _scratch: Scratch,
}

impl Proxy {
    /// Starts them; `backup` as the pool file has it.
    pub fn start(backup: &str) -> Proxy {
        let servers: Vec<_> = (0..4).map(|_| Memcached::start_with(&["-m", "1024"])).collect();
        let addresses =
            servers.iter().map(|server| format!("[[server]]\naddress = \"{}\"\n", server.address()));
        let address = format!("127.0.0.1:{}", free_port());
        // A busy machine stops a healthy server for longer than timeouts for production allow.
        let pool = format!(
            "[pool]\nname = \"conformance\"\nbackup = \"{backup}\"\nconnect_timeout = \"5s\"\ntimeout = \"20s\"\n{}\
             [proxy]\nlisten = [\"{address}\"]\n",
            addresses.collect::<String>()
        );
        let scratch = Scratch::new();
        let file = scratch.write("pool.toml", &pool);
        let program = Path::new(env!("CARGO_BIN_EXE_memcache-proxy"));
        let log = file.with_extension("log");
        let mut service = Service::new(program, &file, &["--log-level", "warn"], log);
        service.restart(|_| std::net::TcpStream::connect(&address).ok());
        let kind = if backup == "none" { Kind::Proxy } else { Kind::ProxyWithBackups };
        Proxy { address, kind, _service: service, _servers: servers, _scratch: scratch }
    }
}

impl Subject for Proxy {
    fn address(&self) -> String {
        self.address.clone()
    }
    fn kind(&self) -> Kind {
        self.kind
    }
}
