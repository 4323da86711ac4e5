//! The scripts, and what they are given.

use std::time::{Duration, SystemTime};

use redis::Cmd;

use super::answer::Other;
use crate::limit::{
    BucketKey, CalendarPeriod, Limits, Reservation,
    shared::{Ask, Converted},
};

/// A script. It is sent once to each server, which keeps it under its digest.
pub(super) struct Script {
    pub(super) text: &'static str,
    /// Which of the digests of a connection is its own.
    pub(super) number: usize,
}

pub(super) static TAKE: Script =
    Script { text: concat!(include_str!("load.lua"), include_str!("take.lua")), number: 0 };
pub(super) static GIVE_BACK: Script =
    Script { text: concat!(include_str!("load.lua"), include_str!("give_back.lua")), number: 1 };

/// The number of scripts.
pub(super) const SCRIPTS: [&Script; 2] = [&TAKE, &GIVE_BACK];

/// A script, the key of a bucket, and arguments.
pub(super) struct Call<'a> {
    pub(super) key: &'a str,
    pub(super) arguments: Arguments<'a>,
}

pub(super) enum Arguments<'a> {
    Take {
        ask: &'a Ask,
        /// The time of the server in microseconds, once it is known that the clock of this process shows another period.
        now: Option<u64>,
        other: Option<(&'a Other, &'a Converted)>,
    },
    GiveBack(&'a Reservation),
}

impl Call<'_> {
    pub(super) const fn script(&self) -> &'static Script {
        match self.arguments {
            Arguments::Take { .. } => &TAKE,
            Arguments::GiveBack(_) => &GIVE_BACK,
        }
    }

    /// The command that runs the script by its digest.
    pub(super) fn by_digest(&self, digest: &str) -> Cmd {
        self.command("EVALSHA", digest)
    }

    /// The command that brings the script.
    pub(super) fn by_text(&self) -> Cmd {
        self.command("EVAL", self.script().text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = Cmd::with_capacity(ARGUMENTS, BYTES + script.len());
        command.arg(name).arg(script).arg(1).arg(self.key);
        match self.arguments {
            Arguments::Take { ask, now, other } => take(&mut command, ask, now, other),
            Arguments::GiveBack(reservation) => give_back(&mut command, reservation),
        }
        command
    }
}

/// Room for the arguments of limits of two windows.
const ARGUMENTS: usize = 16;
const BYTES: usize = 320;

fn take(command: &mut Cmd, ask: &Ask, now: Option<u64>, other: Option<(&Other, &Converted)>) {
    let limits = &ask.limits;
    command.arg(&id(limits.id())[..]).arg(limits.form()).arg(ask.want).arg(ask.least).arg(limits.len());
    if limits.has_calendar() {
        for ((window, pace), period) in limits.windows().zip(limits.paces()).zip(periods(limits, now)) {
            match period {
                None => command.arg(pace.drain).arg(pace.interval).arg(window.size),
                Some(period) => command.arg(0).arg(window.size).arg(&period[..]),
            };
        }
    } else {
        for (window, pace) in limits.windows().zip(limits.paces()) {
            command.arg(pace.drain).arg(pace.interval).arg(window.size);
        }
    }
    if let Some((other, converted)) = other {
        command.arg(&other.id).arg(other.event).arg(other.now).arg(&converted.text).arg(converted.paces.len());
        for at in &converted.at {
            command.arg(u64::from(*at));
        }
        for (pace, [value, period]) in converted.paces.iter().zip(&converted.pairs) {
            command.arg(pace.interval).arg(pace.drain).arg(*value).arg(*period);
        }
    }
}

fn give_back(command: &mut Cmd, reservation: &Reservation) {
    command.arg(&id(reservation.limits_id())[..]).arg(reservation.cost()).arg(reservation.ticket());
    for mark in reservation.marks_in_micros() {
        command.arg(mark);
    }
}

fn id(id: u64) -> [u8; 8] {
    id.to_le_bytes()
}

/// The present period of each calendar window: number, start and end, in microseconds.
fn periods(limits: &Limits, now: Option<u64>) -> impl Iterator<Item = Option<[u64; 3]>> {
    let wall = now.map_or_else(SystemTime::now, |now| SystemTime::UNIX_EPOCH + Duration::from_micros(now));
    let micros = |time: SystemTime| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    };
    let shown = move |period: CalendarPeriod| [period.number.into(), micros(period.start), micros(period.end)];
    limits.periods(wall).map(move |period| period.map(shown))
}

/// The name of the key of a bucket.
pub(super) fn key(prefix: &str, bucket: BucketKey) -> String {
    let mut key = String::with_capacity(prefix.len() + 32);
    key.push_str(prefix);
    key.extend(bucket.to_bytes().into_iter().flat_map(crate::base::hex::digits).map(char::from));
    key
}
