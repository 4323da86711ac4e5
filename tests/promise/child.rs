//! A server process, as this process sees it.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::{
    order::{Order, Report},
    serve,
};

pub(crate) struct Served {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Served {
    /// Starts a process, which is ready after [`ready`](Self::ready).
    pub(crate) fn start(order: &Order) -> Self {
        let order = serde_json::to_string(order).unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([serve::WORD, &order]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    pub(crate) fn ready(mut self) -> Self {
        assert_eq!(self.line(), serve::READY);
        self
    }

    /// Tells it for which keys to ask.
    pub(crate) fn slide(&mut self, hot: u32, unborn: u32) {
        self.say(&format!("{hot} {unborn}"));
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn report(mut self) -> Report {
        self.say(serve::END);
        serde_json::from_str(&self.line()).unwrap()
    }

    /// A process that is stopped reads it later.
    fn say(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It ends a stopped process too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
