//! Functions in Lua, as a Redis runs them: the real ones, on the model's keys.

use std::cell::RefCell;
use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use mlua::{Function, Lua, LuaOptions, LuaString, MultiValue, StdLib, Table, Value};

use super::resp::Reply;

/// Carries out a command that a function calls: its name, and what follows.
pub(super) type Call<'a> = &'a mut dyn FnMut(&str, &[Vec<u8>]) -> Reply;

/// The functions that a Redis knows.
#[derive(Debug)]
pub(super) struct Scripts {
    lua: Lua,
    known: BTreeMap<String, Function>,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let parts = StdLib::STRING | StdLib::TABLE | StdLib::MATH;
        let lua = Lua::new_with(parts, LuaOptions::new()).expect("these parts are safe");
        Self {
            lua,
            known: BTreeMap::new(),
        }
    }

    /// Keeps a function. Gives its name, or why it is none.
    pub(super) fn load(&mut self, text: &[u8]) -> Result<String, String> {
        let name = name_of(text);
        let function = self.lua.load(text).set_name("@user_script").into_function();
        let function = function.map_err(|error| format!("ERR Error compiling script {error}"))?;
        self.known.insert(name.clone(), function);
        Ok(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    pub(super) fn forget_all(&mut self) {
        self.known.clear();
    }

    /// Runs a function that is kept.
    pub(super) fn run(
        &self,
        name: &str,
        (keys, args): (&[Vec<u8>], &[Vec<u8>]),
        call: Call<'_>,
    ) -> Reply {
        let function = &self.known[name];
        let call = RefCell::new(call);
        let done = self.lua.scope(|scope| {
            let redis = self.lua.create_table()?;
            let call_or = |is_protected: bool| {
                let call = &call;
                scope.create_function(move |lua, words: MultiValue| {
                    let words: Vec<Vec<u8>> = words.iter().map(word).collect();
                    let name = String::from_utf8_lossy(&words[0]).to_uppercase();
                    match (call.borrow_mut())(&name, &words[1..]) {
                        Reply::Error(text) if !is_protected => Err(mlua::Error::RuntimeError(text)),
                        reply => to_lua(lua, reply),
                    }
                })
            };
            redis.set("call", call_or(false)?)?;
            redis.set("pcall", call_or(true)?)?;
            for (name, field) in [("error_reply", "err"), ("status_reply", "ok")] {
                let make = self.lua.create_function(move |lua, text: LuaString| {
                    let table = lua.create_table()?;
                    table.set(field, text)?;
                    Ok(table)
                })?;
                redis.set(name, make)?;
            }
            let globals = self.lua.globals();
            globals.set("redis", redis)?;
            globals.set("KEYS", self.strings(keys)?)?;
            globals.set("ARGV", self.strings(args)?)?;
            function.call::<Value>(())
        });
        match done {
            Ok(value) => from_lua(value),
            Err(error) => Reply::Error(reason(&error)),
        }
    }

    fn strings(&self, words: &[Vec<u8>]) -> mlua::Result<Table> {
        let strings = words.iter().map(|word| self.lua.create_string(word));
        self.lua
            .create_sequence_from(strings.collect::<mlua::Result<Vec<_>>>()?)
    }
}

/// By which a function is called: the SHA-1 of its text.
pub(super) fn name_of(text: &[u8]) -> String {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text);
    digest
        .as_ref()
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect()
}

/// What a command that was refused has said, or what is wrong with the function.
fn reason(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } => reason(cause),
        mlua::Error::RuntimeError(text) if text.starts_with("user_script") => format!("ERR {text}"),
        mlua::Error::RuntimeError(text) => text.clone(),
        other => format!("ERR {other}"),
    }
}

/// A word of a command: a text or a number.
fn word(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Integer(number) => number.to_string().into(),
        Value::Number(number) if number.fract() == 0.0 => format!("{number:.0}").into(),
        Value::Number(number) => number.to_string().into(),
        other => panic!("a command cannot have the word {other:?}"),
    }
}

fn to_lua(lua: &Lua, reply: Reply) -> mlua::Result<Value> {
    let of = |field: &str, text: String| -> mlua::Result<Value> {
        let table = lua.create_table()?;
        table.set(field, text)?;
        Ok(Value::Table(table))
    };
    Ok(match reply {
        Reply::Simple(text) => of("ok", text)?,
        Reply::Error(text) => of("err", text)?,
        Reply::Integer(number) => Value::Number(number as f64),
        Reply::Bulk(bytes) => Value::String(lua.create_string(bytes)?),
        Reply::Nil => Value::Boolean(false),
        Reply::Array(replies) => {
            let values = replies.into_iter().map(|it| to_lua(lua, it));
            let values = values.collect::<mlua::Result<Vec<_>>>()?;
            Value::Table(lua.create_sequence_from(values)?)
        }
    })
}

fn from_lua(value: Value) -> Reply {
    match value {
        Value::String(text) => Reply::bulk(text.as_bytes().to_vec()),
        Value::Integer(number) => Reply::Integer(number),
        Value::Number(number) => Reply::Integer(number as i64),
        Value::Boolean(true) => Reply::Integer(1),
        Value::Table(table) => from_table(&table),
        _ => Reply::Nil,
    }
}

fn from_table(table: &Table) -> Reply {
    let field = |name: &str| table.get::<Option<String>>(name).ok().flatten();
    if let Some(text) = field("err") {
        return Reply::Error(text);
    }
    if let Some(text) = field("ok") {
        return Reply::Simple(text);
    }
    // Up to the first hole.
    let values = table.sequence_values::<Value>().map_while(Result::ok);
    Reply::Array(values.map(from_lua).collect())
}
