//! What is asked: every operation of both doors, what it says when all is well, and what it leaves behind.

use crate::library as c;
use crate::outcomes::What;
use crate::proxied as p;

/// What one cell of the matrix works on.
pub struct Case {
    /// The first one is that of an operation on one key.
    pub keys: Vec<Vec<u8>>,
    /// What it stores.
    pub value: Vec<u8>,
    /// The CAS token of the first key's value.
    pub token: u64,
}

impl Case {
    pub fn key(&self) -> &[u8] {
        &self.keys[0]
    }
}

/// What is there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Before {
    Nothing,
    Value,
    Large,
    Number,
}

/// What becomes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    None,
    Put,
    Append,
    Prepend,
    Delete,
    Becomes(&'static str),
    /// It stays, for a while, where no second copy of it is.
    Stale,
    /// Who reads it finds nothing, or an empty value: somebody else is to store it.
    Lease,
}

impl Effect {
    /// What is there afterwards.
    pub fn on(self, before: Option<&[u8]>, value: &[u8]) -> Option<Vec<u8>> {
        let before = before.map(<[u8]>::to_vec);
        match self {
            Effect::None | Effect::Stale => before,
            Effect::Put => Some(value.to_vec()),
            Effect::Append => before.map(|before| [&before, value].concat()),
            Effect::Prepend => before.map(|before| [value, &before].concat()),
            Effect::Delete | Effect::Lease => None,
            Effect::Becomes(text) => Some(text.as_bytes().to_vec()),
        }
    }
}

/// Whom it is asked of.
#[derive(Clone, Copy)]
pub enum Door {
    Library(c::Call),
    Proxy(p::Call),
}

/// How many keys it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Span {
    One,
    /// One with a space and a NUL in it.
    OneBinary,
    Many,
    /// It asks every server.
    Everything,
    /// It asks the hostile one, whatever is on it.
    OneServer,
}

pub struct Operation {
    pub name: &'static str,
    pub door: Door,
    pub span: Span,
    pub before: Before,
    /// What it says when all is well.
    pub says: What,
    pub effect: Effect,
}

impl Operation {
    pub fn is_large(&self) -> bool {
        self.before == Before::Large
    }

    pub fn takes_token(&self) -> bool {
        self.name.contains("cas")
    }

    /// It says nothing of what it did.
    pub fn is_silent(&self) -> bool {
        self.name.contains("noreply")
    }

    /// It asks for the turn to store what is not there.
    pub fn leases(&self) -> bool {
        self.name.contains("lease")
    }

    pub fn is_flush(&self) -> bool {
        self.effect == Effect::Delete && matches!(self.span, Span::Everything | Span::OneServer)
    }

    /// It tells how much memory servers have and how many stores they counted.
    pub fn tells_statistics(&self) -> bool {
        self.name.ends_with("stats")
    }
}

fn op(name: &'static str, door: Door, span: Span, before: Before, says: What, effect: Effect) -> Operation {
    Operation { name, door, span, before, says, effect }
}

/// All of them.
pub fn all() -> Vec<Operation> {
    use Door::{Library, Proxy};
    use Effect::{Append, Becomes, Delete, Prepend, Put};
    let none = Effect::None;
    let (one, many) = (Span::One, Span::Many);
    let (value, number) = (Before::Value, Before::Number);
    vec![
        op("fetch", Library(c::fetches), one, value, What::Hit, none),
        op("fetch of nothing", Library(c::fetches), one, Before::Nothing, What::Miss, none),
        op("fetch of 512 KiB", Library(c::fetches), one, Before::Large, What::Hit, none),
        op("fetch, binary key", Library(c::fetches), Span::OneBinary, value, What::Hit, none),
        op("fetch_into", Library(c::fetch_into), one, value, What::Hit, none),
        op("gat", Library(c::get_and_touch), one, value, What::Hit, none),
        op("store", Library(c::store), one, value, What::Stored, Put),
        op("store of 512 KiB", Library(c::store), one, Before::Large, What::Stored, Put),
        op("store, binary key", Library(c::store), Span::OneBinary, value, What::Stored, Put),
        op("store_add", Library(c::store_add), one, Before::Nothing, What::Stored, Put),
        op("store_replace", Library(c::store_replace), one, value, What::Stored, Put),
        op("append", Library(c::append), one, value, What::Stored, Append),
        op("prepend", Library(c::prepend), one, value, What::Stored, Prepend),
        op("cas", Library(c::cas), one, value, What::Stored, Put),
        op("remove", Library(c::remove), one, value, What::Deleted, Delete),
        op("touch", Library(c::touch), one, value, What::Touched, none),
        op("incr64", Library(c::incr64), one, number, What::Number(46), Becomes("46")),
        op("decr64", Library(c::decr64), one, number, What::Number(36), Becomes("36")),
        op("store_many", Library(c::store_many), many, value, What::Stored, Put),
        op("fetch_many", Library(c::fetch_many), many, value, What::Hit, none),
        op("fetch_values", Library(c::fetch_values), many, value, What::Hit, none),
        op("remove_many", Library(c::remove_many), many, value, What::Deleted, Delete),
        op("aget", Library(c::old_get), one, value, What::Hit, none),
        op("set", Library(c::old_set), one, value, What::Stored, Put),
        op("add", Library(c::old_add), one, Before::Nothing, What::Stored, Put),
        op("replace", Library(c::old_replace), one, value, What::Stored, Put),
        op("delete", Library(c::old_delete), one, value, What::Deleted, Delete),
        op("incr", Library(c::old_incr), one, number, What::Number(46), Becomes("46")),
        op("decr", Library(c::old_decr), one, number, What::Number(36), Becomes("36")),
        op("get of a request", Library(c::old_get_many), many, value, What::Hit, none),
        op("fetch_into_many", Library(c::fetch_into_many), many, value, What::Hit, none),
        op("get, keys by reference", Library(c::old_get_many_by_reference), many, value, What::Hit, none),
        op("flush", Library(c::flush), Span::OneServer, value, What::Done, Delete),
        op("server_stats", Library(c::server_statistics), Span::OneServer, value, What::Done, none),
        op("server_activate", Library(c::activate), Span::OneServer, value, What::Done, none),
        op("stats", Library(c::statistics), Span::Everything, value, What::Done, none),
        op("flush_all", Library(c::flush_all), Span::Everything, value, What::Done, Delete),
        op("proxy: get", Proxy(p::get), one, value, What::Hit, none),
        op("proxy: gets", Proxy(p::gets), one, value, What::Hit, none),
        op("proxy: gat", Proxy(p::gat), one, value, What::Hit, none),
        op("proxy: set", Proxy(p::set), one, value, What::Stored, Put),
        op("proxy: set of 512 KiB", Proxy(p::set), one, Before::Large, What::Stored, Put),
        op("proxy: get of 512 KiB", Proxy(p::get), one, Before::Large, What::Hit, none),
        op("proxy: add", Proxy(p::add), one, Before::Nothing, What::Stored, Put),
        op("proxy: replace", Proxy(p::replace), one, value, What::Stored, Put),
        op("proxy: append", Proxy(p::append), one, value, What::Stored, Append),
        op("proxy: prepend", Proxy(p::prepend), one, value, What::Stored, Prepend),
        op("proxy: cas", Proxy(p::cas), one, value, What::Stored, Put),
        op("proxy: delete", Proxy(p::delete), one, value, What::Deleted, Delete),
        op("proxy: incr", Proxy(p::incr), one, number, What::Number(46), Becomes("46")),
        op("proxy: decr", Proxy(p::decr), one, number, What::Number(36), Becomes("36")),
        op("proxy: touch", Proxy(p::touch), one, value, What::Touched, none),
        op("proxy: mg", Proxy(p::meta_get), one, value, What::Hit, none),
        op("proxy: mg, touching", Proxy(p::meta_get_touch), one, value, What::Hit, none),
        op("proxy: mg, binary key", Proxy(p::meta_get_binary), Span::OneBinary, value, What::Hit, none),
        op("proxy: ms", Proxy(p::meta_set), one, value, What::Stored, Put),
        op("proxy: ms, add", Proxy(p::meta_add), one, Before::Nothing, What::Stored, Put),
        op("proxy: ms, append", Proxy(p::meta_append), one, value, What::Stored, Append),
        op("proxy: ms, prepend", Proxy(p::meta_prepend), one, value, What::Stored, Prepend),
        op("proxy: ms, replace", Proxy(p::meta_replace), one, value, What::Stored, Put),
        op("proxy: ms, cas", Proxy(p::meta_cas), one, value, What::Stored, Put),
        op("proxy: ms, quiet", Proxy(p::meta_set_quiet), one, value, What::Stored, Put),
        op("proxy: mg, quiet", Proxy(p::meta_get_quiet), one, value, What::Hit, none),
        op("proxy: mg, quiet, of nothing", Proxy(p::meta_get_quiet), one, Before::Nothing, What::Miss, none),
        op("proxy: mg, lease", Proxy(p::meta_lease), one, Before::Nothing, What::Done, Effect::Lease),
        op("proxy: mg, lease of a value", Proxy(p::meta_lease), one, value, What::Hit, none),
        op("proxy: md, marking", Proxy(p::meta_mark), one, value, What::Deleted, Effect::Stale),
        op("proxy: ma, down", Proxy(p::meta_decr), one, number, What::Number(36), Becomes("36")),
        op("proxy: me", Proxy(p::meta_debug), one, value, What::Done, none),
        op("proxy: gats", Proxy(p::gats), one, value, What::Hit, none),
        op("proxy: set, noreply", Proxy(p::set_silently), one, value, What::Done, Put),
        op("proxy: delete, noreply", Proxy(p::delete_silently), one, value, What::Done, Delete),
        op("proxy: stats settings", Proxy(p::settings), Span::Everything, value, What::Done, none),
        op("proxy: stats reset", Proxy(p::reset), Span::Everything, value, What::Done, none),
        op("proxy: md", Proxy(p::meta_delete), one, value, What::Deleted, Delete),
        op("proxy: ma", Proxy(p::meta_incr), one, number, What::Number(46), Becomes("46")),
        op("proxy: get of many", Proxy(p::get_many), many, value, What::Hit, none),
        op("proxy: mg of many", Proxy(p::meta_get_many), many, value, What::Hit, none),
        op("proxy: set of many", Proxy(p::set_many), many, value, What::Stored, Put),
        op("proxy: delete of many", Proxy(p::delete_many), many, value, What::Deleted, Delete),
        op("proxy: version", Proxy(p::version), Span::Everything, value, What::Done, none),
        op("proxy: stats", Proxy(p::statistics), Span::Everything, value, What::Done, none),
        op("proxy: flush_all", Proxy(p::flush_all), Span::Everything, value, What::Done, Delete),
    ]
}
