//! The pages of docs/ are run from top to bottom, as a reader would: files are written, commands run by a shell, and
//! what they print is compared with what the page shows. Ports and paths are the test's own (see stand-ins.sh).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::blocks::{self, Block, Use};
use crate::support::scratch::Scratch;
use crate::support::server::free_port;
use crate::support::{cc, keep};

/// The pages that a test of this file runs.
const RUN: [&str; 3] = ["docs/getting-started.md", "docs/migrating.md", "docs/operating.md"];

/// The ports that pages name.
const PORTS: [u16; 8] = [11211, 11212, 11213, 11214, 11311, 11312, 22121, 22122];

/// Where a page is run: directories of its own, and ports.
struct Sandbox {
    scratch: Scratch,
    ports: BTreeMap<u16, u16>,
}

impl Sandbox {
    fn new() -> Sandbox {
        let scratch = Scratch::new();
        for directory in ["home", "etc/memcache", "run/memcache", "usr/local", "bin", "lib"] {
            fs::create_dir_all(scratch.path().join(directory)).expect("a directory");
        }
        let link = |what: &Path, name: &str| {
            std::os::unix::fs::symlink(what, scratch.path().join(name)).expect("a link");
        };
        link(Path::new(env!("CARGO_BIN_EXE_memcache-watchd")), "bin/memcache-watchd");
        link(Path::new(env!("CARGO_BIN_EXE_memcache-proxy")), "bin/memcache-proxy");
        link(Path::new(env!("CARGO_BIN_EXE_memcachectl")), "bin/memcachectl");
        link(&cc::built_library(), "lib/libmemcache.so");
        link(&cc::built_library(), "lib/libmemcache.so.0");
        let ports = PORTS.into_iter().map(|port| (port, free_port())).collect();
        Sandbox { scratch, ports }
    }

    /// The page's text with the sandbox's ports and paths.
    fn inward(&self, text: &str) -> String {
        // In two steps: a port of ours can be another one of the page's.
        let mark = |at: usize| char::from_u32(0xe000 + at as u32).unwrap_or_default().to_string();
        let ports = || self.ports.iter().enumerate();
        let marked = ports()
            .fold(text.to_owned(), |text, (at, (shown, _))| text.replace(&shown.to_string(), &mark(at)));
        let text = ports().fold(marked, |text, (at, (_, port))| text.replace(&mark(at), &port.to_string()));
        let root = self.scratch.path().display();
        ["/etc/memcache/", "/etc/systemd/", "/run/memcache/"]
            .iter()
            .fold(text, |text, path| text.replace(path, &format!("{root}{path}")))
    }

    /// What was printed as the page would show it.
    fn outward(&self, text: &str) -> String {
        let text = text.replace(&self.scratch.path().display().to_string(), "");
        self.ports
            .iter()
            .fold(text, |text, (shown, port)| text.replace(&port.to_string(), &shown.to_string()))
    }

    fn path(&self, path: &str) -> PathBuf {
        match path.strip_prefix('/') {
            Some(path) => self.scratch.path().join(path),
            None => self.scratch.path().join("home").join(path),
        }
    }

    /// A file that the page has its reader write.
    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        let mut text = self.inward(text);
        // Whoever runs the test is in a group of his own.
        let group = format!("group = \"{}\"", rustix::process::getgid().as_raw());
        text = text.replace("group = \"sessions\"", &group);
        if path.extension().is_some_and(|it| it == "toml") {
            // A busy machine stops a healthy server for longer than the timeouts that a reader would set.
            text = text.replace("\"100ms\"", "\"5s\"").replace("\"500ms\"", "\"20s\"");
            if !text.contains("connect_timeout") {
                text = text.replace("[pool]\n", "[pool]\nconnect_timeout = \"5s\"\ntimeout = \"20s\"\n");
            }
        }
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// The words of every command of a block that goes on in the background.
fn left_running(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.split('#').next()?.trim().strip_suffix(" &"))
}

/// Runs a page's blocks.
fn run(page: &str, blocks: &[Block], sandbox: &Sandbox) {
    let home = sandbox.path("");
    let mut script = format!(". '{}/tests/examples/stand-ins.sh'\n", cc::root().display());
    for (at, block) in blocks.iter().enumerate() {
        match &block.used {
            Use::Run => {
                let file = sandbox.scratch.write(&format!("block-{at}.sh"), &sandbox.inward(&block.text));
                script += &format!("echo 'line {}' >>\"$SANDBOX/reached\"\n", block.line);
                script += &format!(". '{}' >\"$SANDBOX/out-{at}\" </dev/null\n", file.display());
                for command in left_running(&block.text) {
                    script += &format!("ready {}\n", sandbox.inward(command).replace("sudo ", ""));
                }
            }
            // Written when it is its turn: a page may have its reader change a file.
            Use::File(path) => {
                let kept = format!("file-{at}");
                sandbox.write(&format!("/{kept}/{}", path.rsplit('/').next().unwrap_or(path)), &block.text);
                let from = sandbox.path(&format!("/{kept}"));
                let target = sandbox.path(path);
                let target = target.parent().expect("a directory").display();
                script += &format!("mkdir -p '{target}' && cp '{}'/* '{target}'/\n", from.display());
            }
            Use::Printed | Use::Drawing | Use::PartOf(_) | Use::RunBy(_) => {}
        }
    }
    let script = sandbox.scratch.write("script.sh", &script);
    let root = sandbox.scratch.path().display().to_string();
    let found = |kind: &str| format!("{root}/usr/local/{kind}:{root}/{kind}");
    let mut bash = std::process::Command::new("bash");
    bash.arg(script)
        .current_dir(&home)
        .env("SANDBOX", &root)
        .env("REPOSITORY", cc::root())
        .env("HOME", &home);
    bash.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env("PORT_11211", sandbox.ports[&11211].to_string());
    bash.env(
        "PATH",
        format!("{}:{root}/usr/local/sbin:{}", found("bin"), std::env::var("PATH").unwrap_or_default()),
    );
    bash.env("LD_LIBRARY_PATH", found("lib")).env("LIBRARY_PATH", found("lib"));
    bash.env("CPATH", format!("{root}/usr/local/include:{}/include", cc::root().display()));
    let said = sandbox.scratch.path().join("said");
    let out = fs::File::create(&said).expect("a file");
    bash.stdin(Stdio::null()).stdout(out.try_clone().expect("a file")).stderr(out);
    let mut child = keep::spawn(&mut bash).expect("bash runs");
    let status = child.wait().expect("it ends");
    keep::ended(&child);
    let read = |name: &str| fs::read_to_string(sandbox.path(name)).unwrap_or_default();
    let reached = read("/reached").lines().last().unwrap_or_default().to_owned();
    assert!(
        status.success(),
        "{page}: the block on {reached} failed ({status}): {}\nthe processes said:\n{}",
        read("/said"),
        read("/log")
    );
    for (at, pair) in blocks.windows(2).enumerate() {
        if let [Block { used: Use::Run, .. }, Block { used: Use::Printed, line, text, .. }] = pair {
            let printed = sandbox.outward(&read(&format!("/out-{at}")));
            assert!(blocks::matches(text, &printed), "{page}:{line} shows\n{text}\nand it is\n{printed}");
        }
    }
}

/// Runs a page of docs/ whose blocks are all to be run.
fn runs(page: &str) {
    runs_beside(page, []);
}

/// The same with servers that are there already: their ports on the page, and those that they have.
pub fn runs_beside(page: &str, ports: impl IntoIterator<Item = (u16, u16)>) {
    let blocks = blocks::of_page(page);
    assert!(blocks.iter().any(|block| block.used == Use::Run), "{page} has nothing to run");
    let mut sandbox = Sandbox::new();
    sandbox.ports.extend(ports);
    run(page, &blocks, &sandbox);
}

#[test]
fn getting_started_runs() {
    runs("docs/getting-started.md");
}

/// On a machine where Debian's package was installed: it has started a server.
#[test]
fn operating_runs() {
    let page = "docs/operating.md";
    let mut blocks = blocks::of_page(page);
    let text = "sudo systemctl enable --now memcached\n".to_owned();
    blocks.insert(0, Block { line: 0, used: Use::Run, text });
    run(page, &blocks, &Sandbox::new());
}

/// What a page names between backquotes or links to is there.
#[test]
fn what_pages_lead_to_is_there() {
    for page in all_pages() {
        let text = fs::read_to_string(cc::root().join(&page)).expect("a page");
        let beside = cc::root().join(&page);
        let beside = beside.parent().expect("a folder");
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        let links =
            links.filter(|link| !link.is_empty() && !link.starts_with("http")).map(|link| beside.join(link));
        let named = text.split('`').skip(1).step_by(2);
        let folders = ["src/", "tests/", "docs/", "scripts/", "packaging/", "man/src/", "examples-c/"];
        let named = named.filter(|name| folders.iter().any(|folder| name.starts_with(folder)));
        let named =
            named.filter(|name| !name.contains([' ', '*', '<', '\n'])).map(|name| cc::root().join(name));
        let missing: Vec<_> =
            links.chain(named).filter(|path| !path.exists() && !path.with_extension("rs").exists()).collect();
        assert!(missing.is_empty(), "{page} leads to {missing:?}");
    }
}

fn all_pages() -> Vec<String> {
    let folder = fs::read_dir(cc::root().join("docs")).expect("docs");
    let names = folder.map(|entry| entry.expect("a page").file_name().to_string_lossy().into_owned());
    let docs = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}"));
    let pages: Vec<_> = docs.chain(["CONTRIBUTING.md".to_owned(), "README.md".to_owned()]).collect();
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// Every block of every page has somebody who runs it, or stands elsewhere in the repository.
#[test]
fn every_block_of_every_page_is_run() {
    // (Of the README other tests take what they need.)
    let pages: Vec<_> = all_pages().into_iter().filter(|page| page != "README.md").collect();
    for page in &pages {
        blocks::are_where_they_should(page);
        let is_run = blocks::of_page(page).iter().any(|block| block.used == Use::Run);
        assert!(!is_run || RUN.contains(&page.as_str()), "{page} has commands, and no test runs them");
    }
}
