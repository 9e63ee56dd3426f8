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
}

impl Effect {
    /// What is there afterwards.
    pub fn on(self, before: Option<&[u8]>, value: &[u8]) -> Option<Vec<u8>> {
        let before = before.map(<[u8]>::to_vec);
        match self {
            Effect::None => before,
            Effect::Put => Some(value.to_vec()),
            Effect::Append => before.map(|before| [&before, value].concat()),
            Effect::Prepend => before.map(|before| [value, &before].concat()),
            Effect::Delete => None,
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
}

fn library() -> Vec<Operation> {
    use Effect::{Append, Becomes, Delete, Prepend, Put};
    let op = |name, call: c::Call, span, before, says, effect| Operation {
        name,
        door: Door::Library(call),
        span,
        before,
        says,
        effect,
    };
    let none = Effect::None;
    let (one, many) = (Span::One, Span::Many);
    let (value, number) = (Before::Value, Before::Number);
    vec![
        op("fetch", c::fetches, one, value, What::Hit, none),
        op("fetch of nothing", c::fetches, one, Before::Nothing, What::Miss, none),
        op("fetch of 512 KiB", c::fetches, one, Before::Large, What::Hit, none),
        op("fetch, binary key", c::fetches, Span::OneBinary, value, What::Hit, none),
        op("fetch_into", c::fetch_into, one, value, What::Hit, none),
        op("gat", c::get_and_touch, one, value, What::Hit, none),
        op("store", c::store, one, value, What::Stored, Put),
        op("store of 512 KiB", c::store, one, Before::Large, What::Stored, Put),
        op("store, binary key", c::store, Span::OneBinary, value, What::Stored, Put),
        op("store_add", c::store_add, one, Before::Nothing, What::Stored, Put),
        op("store_replace", c::store_replace, one, value, What::Stored, Put),
        op("append", c::append, one, value, What::Stored, Append),
        op("prepend", c::prepend, one, value, What::Stored, Prepend),
        op("cas", c::cas, one, value, What::Stored, Put),
        op("remove", c::remove, one, value, What::Deleted, Delete),
        op("touch", c::touch, one, value, What::Touched, none),
        op("incr64", c::incr64, one, number, What::Number(46), Becomes("46")),
        op("decr64", c::decr64, one, number, What::Number(36), Becomes("36")),
        op("store_many", c::store_many, many, value, What::Stored, Put),
        op("fetch_many", c::fetch_many, many, value, What::Hit, none),
        op("fetch_values", c::fetch_values, many, value, What::Hit, none),
        op("remove_many", c::remove_many, many, value, What::Deleted, Delete),
        op("aget", c::old_get, one, value, What::Hit, none),
        op("set", c::old_set, one, value, What::Stored, Put),
        op("add", c::old_add, one, Before::Nothing, What::Stored, Put),
        op("replace", c::old_replace, one, value, What::Stored, Put),
        op("delete", c::old_delete, one, value, What::Deleted, Delete),
        op("incr", c::old_incr, one, number, What::Number(46), Becomes("46")),
        op("decr", c::old_decr, one, number, What::Number(36), Becomes("36")),
        op("get of a request", c::old_get_many, many, value, What::Hit, none),
        op("stats", c::statistics, Span::Everything, value, What::Done, none),
        op("flush_all", c::flush_all, Span::Everything, value, What::Done, Delete),
    ]
}

fn proxy() -> Vec<Operation> {
    use Effect::{Append, Becomes, Delete, Prepend, Put};
    let op = |name, call: p::Call, span, before, says, effect| Operation {
        name,
        door: Door::Proxy(call),
        span,
        before,
        says,
        effect,
    };
    let none = Effect::None;
    let (one, many) = (Span::One, Span::Many);
    let (value, number) = (Before::Value, Before::Number);
    vec![
        op("proxy: get", p::get, one, value, What::Hit, none),
        op("proxy: gets", p::gets, one, value, What::Hit, none),
        op("proxy: gat", p::gat, one, value, What::Hit, none),
        op("proxy: set", p::set, one, value, What::Stored, Put),
        op("proxy: set of 512 KiB", p::set, one, Before::Large, What::Stored, Put),
        op("proxy: get of 512 KiB", p::get, one, Before::Large, What::Hit, none),
        op("proxy: add", p::add, one, Before::Nothing, What::Stored, Put),
        op("proxy: replace", p::replace, one, value, What::Stored, Put),
        op("proxy: append", p::append, one, value, What::Stored, Append),
        op("proxy: prepend", p::prepend, one, value, What::Stored, Prepend),
        op("proxy: cas", p::cas, one, value, What::Stored, Put),
        op("proxy: delete", p::delete, one, value, What::Deleted, Delete),
        op("proxy: incr", p::incr, one, number, What::Number(46), Becomes("46")),
        op("proxy: decr", p::decr, one, number, What::Number(36), Becomes("36")),
        op("proxy: touch", p::touch, one, value, What::Touched, none),
        op("proxy: mg", p::meta_get, one, value, What::Hit, none),
        op("proxy: mg, touching", p::meta_get_touch, one, value, What::Hit, none),
        op("proxy: mg, binary key", p::meta_get_binary, Span::OneBinary, value, What::Hit, none),
        op("proxy: ms", p::meta_set, one, value, What::Stored, Put),
        op("proxy: ms, add", p::meta_add, one, Before::Nothing, What::Stored, Put),
        op("proxy: ms, append", p::meta_append, one, value, What::Stored, Append),
        op("proxy: md", p::meta_delete, one, value, What::Deleted, Delete),
        op("proxy: ma", p::meta_incr, one, number, What::Number(46), Becomes("46")),
        op("proxy: get of many", p::get_many, many, value, What::Hit, none),
        op("proxy: mg of many", p::meta_get_many, many, value, What::Hit, none),
        op("proxy: set of many", p::set_many, many, value, What::Stored, Put),
        op("proxy: delete of many", p::delete_many, many, value, What::Deleted, Delete),
        op("proxy: version", p::version, Span::Everything, value, What::Done, none),
        op("proxy: stats", p::statistics, Span::Everything, value, What::Done, none),
        op("proxy: flush_all", p::flush_all, Span::Everything, value, What::Done, Delete),
    ]
}

/// All of them.
pub fn all() -> Vec<Operation> {
    let mut all = library();
    all.extend(proxy());
    all
}
