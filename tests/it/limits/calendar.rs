//! Windows by calendar day and month: when a period starts and ends, and what it admits.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tower_auth::{
    Quota,
    limit::{BucketKey, CalendarUnit, LimitDecision, LimitTime, Limits, MemoryLimiter, Refill},
};

use super::{SECOND, alice, limits};

/// A time of day at which the monotonic clock stands still.
pub(super) fn at(time: &str) -> LimitTime {
    LimitTime::new(SECOND, wall(time))
}

pub(super) fn wall(time: &str) -> SystemTime {
    time.parse::<Timestamp>().unwrap().into()
}

/// How many single requests get through.
pub(super) fn spend(limiter: &MemoryLimiter, limits: &Limits, requests: u32, now: LimitTime) -> u32 {
    let admitted = |_: &u32| matches!(limiter.try_acquire(alice(), limits, 1, now), LimitDecision::Admitted(_));
    u32::try_from((0..requests).filter(admitted).count()).unwrap()
}

/// The number of the period, its start, and its length in seconds.
fn period(quota: Quota, now: &str) -> (u32, String, u64) {
    let limits = limits(quota);
    let period = limits.periods(wall(now)).next().flatten().unwrap();
    let start = Timestamp::try_from(period.start).unwrap().to_string();
    (period.number, start, period.end.duration_since(period.start).unwrap().as_secs())
}

fn day(zone: &'static str) -> Quota {
    Quota::per_calendar_day(3).in_time_zone(zone)
}

fn month(zone: &'static str) -> Quota {
    Quota::per_calendar_month(3).in_time_zone(zone)
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

#[test]
fn a_month_has_28_to_31_days() {
    for (now, number, start, days) in [
        ("2026-01-31T23:59:59Z", 202_601, "2026-01-01T00:00:00Z", 31),
        ("2026-02-01T00:00:00Z", 202_602, "2026-02-01T00:00:00Z", 28),
        ("2028-02-29T23:59:59.999Z", 202_802, "2028-02-01T00:00:00Z", 29),
        ("2026-04-30T12:00:00Z", 202_604, "2026-04-01T00:00:00Z", 30),
        ("2026-12-31T23:59:59Z", 202_612, "2026-12-01T00:00:00Z", 31),
        ("1970-01-01T00:00:00Z", 197_001, "1970-01-01T00:00:00Z", 31),
    ] {
        let seen = period(Quota::per_calendar_month(3), now);
        assert_eq!(seen, (number, start.to_owned(), days * DAY), "{now}");
    }
}

#[test]
fn a_month_in_berlin_starts_there() {
    let summer = |now| period(month("Europe/Berlin"), now);
    assert_eq!(summer("2026-05-31T21:59:59Z").0, 202_605);
    assert_eq!(summer("2026-05-31T22:00:00Z"), (202_606, "2026-05-31T22:00:00Z".to_owned(), 30 * DAY));
    // March has one hour less, October one more.
    assert_eq!(summer("2026-03-15T00:00:00Z"), (202_603, "2026-02-28T23:00:00Z".to_owned(), 31 * DAY - HOUR));
    assert_eq!(summer("2026-10-15T00:00:00Z"), (202_610, "2026-09-30T22:00:00Z".to_owned(), 31 * DAY + HOUR));
}

#[test]
fn a_day_has_23_to_25_hours() {
    for (zone, now, number, start, hours) in [
        ("Europe/Berlin", "2026-03-29T12:00:00Z", 20_260_329, "2026-03-28T23:00:00Z", 23),
        ("Europe/Berlin", "2026-10-25T12:00:00Z", 20_261_025, "2026-10-24T22:00:00Z", 25),
        ("Europe/Berlin", "2026-10-26T12:00:00Z", 20_261_026, "2026-10-25T23:00:00Z", 24),
        // Midnight does not exist: the day starts at one o'clock.
        ("America/Sao_Paulo", "2018-11-04T12:00:00Z", 20_181_104, "2018-11-04T03:00:00Z", 23),
        ("Asia/Beirut", "2022-03-27T12:00:00Z", 20_220_327, "2022-03-26T22:00:00Z", 23),
        // Midnight comes twice: at one o'clock, it is midnight again.
        ("America/Havana", "2022-11-06T12:00:00Z", 20_221_106, "2022-11-06T04:00:00Z", 25),
        // At midnight, it is eleven o'clock again.
        ("America/Sao_Paulo", "2018-02-17T12:00:00Z", 20_180_217, "2018-02-17T02:00:00Z", 25),
        // Samoa had no 30 December 2011.
        ("Pacific/Apia", "2011-12-30T09:59:59Z", 20_111_229, "2011-12-29T10:00:00Z", 24),
        ("Pacific/Apia", "2011-12-30T10:00:00Z", 20_111_231, "2011-12-30T10:00:00Z", 24),
        // An offset of 45 minutes.
        ("Asia/Kathmandu", "2026-06-01T18:15:00Z", 20_260_602, "2026-06-01T18:15:00Z", 24),
    ] {
        assert_eq!(period(day(zone), now), (number, start.to_owned(), hours * HOUR), "{zone} at {now}");
    }
}

/// At one minute after midnight, clocks went back into the day before. That day does not go on.
#[test]
fn a_date_that_comes_twice_is_one_period() {
    let number = |now| period(day("America/St_Johns"), now).0;
    assert_eq!(number("2010-11-07T02:29:59Z"), 20_101_106);
    assert_eq!(number("2010-11-07T02:30:30Z"), 20_101_107);
    assert_eq!(number("2010-11-07T02:45:00Z"), 20_101_107, "the clocks there show 2010-11-06T23:15");
    assert_eq!(number("2010-11-07T12:00:00Z"), 20_101_107);
}

/// In every zone of this list, hour by hour over years with changes: the periods are without a gap and in order.
#[test]
fn periods_are_without_gaps() {
    for zone in ["UTC", "Europe/Berlin", "America/Sao_Paulo", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca"] {
        for quota in [day(zone), month(zone)] {
            let limits = limits(quota);
            let mut last = None;
            for hour in 0..20_000 {
                let now = wall("2010-01-01T00:00:00Z") + Duration::from_secs(hour * HOUR);
                let period = limits.periods(now).next().flatten().unwrap();
                assert!(period.start <= now && now < period.end, "{zone}: {now:?} {period:?}");
                if let Some(last) = last.replace(period).filter(|last| *last != period) {
                    assert!(last.number < period.number && last.end == period.start, "{zone}: {last:?} {period:?}");
                }
            }
        }
    }
}

#[test]
fn a_period_admits_its_budget_and_no_more() {
    let (limiter, limits) = (MemoryLimiter::new(), limits(Quota::per_calendar_month(5)));
    assert_eq!(spend(&limiter, &limits, 9, at("2026-01-31T23:59:59Z")), 5);
    let LimitDecision::Refused { levels, wait } = limiter.try_acquire(alice(), &limits, 1, at("2026-01-31T23:59:59Z"))
    else {
        panic!("it is used up")
    };
    assert_eq!((wait, levels.tightest().reset, levels.tightest().remaining), (SECOND, SECOND, 0));
    assert_eq!(levels.tightest().period(), Some(202_601));
    assert_eq!(spend(&limiter, &limits, 9, at("2026-02-01T00:00:00Z")), 5);
    assert_eq!(spend(&limiter, &limits, 9, at("2026-02-28T23:59:59.999999999Z")), 0);
    assert_eq!(spend(&limiter, &limits, 9, at("2026-03-01T00:00:00Z")), 5);
}

#[test]
fn a_cost_fits_as_a_whole_or_not_at_all() {
    let (limiter, limits, now) =
        (MemoryLimiter::new(), limits(Quota::per_calendar_day(10)), at("2026-06-02T18:00:00Z"));
    let take = |cost| limiter.try_acquire(alice(), &limits, cost, now);
    assert!(matches!(take(7), LimitDecision::Admitted(levels) if levels.tightest().remaining == 3));
    assert!(matches!(take(4), LimitDecision::Refused { wait, levels }
        if wait == Duration::from_secs(6 * HOUR) && levels.tightest().remaining == 3));
    assert!(matches!(take(11), LimitDecision::TooCostly { most: 10 }));
    assert!(matches!(take(3), LimitDecision::Admitted(levels) if levels.tightest().remaining == 0));
    assert_eq!(limits.max_cost(), 10);
}

#[test]
fn the_largest_budget_is_counted_to_the_end() {
    let (limiter, limits, now) =
        (MemoryLimiter::new(), limits(Quota::per_calendar_month(u32::MAX)), at("2026-06-02T18:00:00Z"));
    let take = |cost| limiter.try_acquire(alice(), &limits, cost, now);
    assert!(matches!(take(u32::MAX - 1), LimitDecision::Admitted(levels) if levels.tightest().remaining == 1));
    assert!(matches!(take(2), LimitDecision::Refused { .. }));
    assert!(matches!(take(1), LimitDecision::Admitted(levels) if levels.tightest().remaining == 0));
    assert!(matches!(take(1), LimitDecision::Refused { .. }));
}

#[test]
fn exact_under_32_threads() {
    let quotas = [Quota::per_calendar_month(1_000), Quota::per_hour(100_000)];
    let (limiter, limits) = (MemoryLimiter::new(), limits(quotas));
    let times = [at("2026-01-31T23:59:59Z"), at("2026-02-01T00:00:00Z")];
    for now in times {
        let admitted: u32 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..32).map(|_| scope.spawn(|| spend(&limiter, &limits, 100, now))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 1_000);
    }
}

#[test]
fn what_one_window_refuses_is_counted_in_none() {
    let quotas = [Quota::per_minute(4), Quota::per_calendar_day(6), Quota::per_calendar_month(7)];
    let (limiter, limits) = (MemoryLimiter::new(), limits(quotas));
    let minute = |number: u64, wall_time: &str| LimitTime::new(Duration::from_secs(60 * number), wall(wall_time));
    let left = |now| match limiter.try_acquire(alice(), &limits, 0, now) {
        LimitDecision::Admitted(levels) => levels.all().iter().map(|level| level.remaining).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let now = minute(1, "2026-06-02T18:00:00Z");
    assert_eq!((spend(&limiter, &limits, 9, now), left(now)), (4, vec![0, 2, 3]));
    let now = minute(2, "2026-06-02T18:01:00Z");
    assert_eq!((spend(&limiter, &limits, 9, now), left(now)), (2, vec![2, 0, 1]));
    let now = minute(3, "2026-06-03T00:00:00Z");
    assert_eq!((spend(&limiter, &limits, 9, now), left(now)), (1, vec![3, 5, 0]));
    let LimitDecision::Refused { levels, wait } = limiter.try_acquire(alice(), &limits, 1, now) else { panic!() };
    assert_eq!((levels.tightest_index(), wait), (2, Duration::from_secs(28 * DAY)));
}

#[test]
fn quotas_that_cannot_be_kept() {
    for (quota, part) in [
        (Quota::per_calendar_day(0), "admits no request"),
        (Quota::per_calendar_month(10).burst(10), "has no burst"),
        (Quota::per_day(10).in_time_zone("Europe/Berlin"), "only calendar quotas"),
        (Quota::per_calendar_day(10).in_time_zone("Mars/Olympus_Mons"), "\"Mars/Olympus_Mons\" of a quota is unknown"),
        (Quota::per_calendar_day(10).in_time_zone(""), "\"\" of a quota is unknown"),
        (Quota::per_calendar_day(10).in_time_zone("Etc/Unknown"), "\"Etc/Unknown\" of a quota is unknown"),
        (Quota::per_calendar_day(10).in_time_zone("../../etc/passwd"), "is unknown"),
    ] {
        let error = Limits::new(quota).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert!(Limits::new([Quota::per_day(1), Quota::per_calendar_day(1)]).is_err(), "both are named day");
}

#[test]
fn a_zone_has_one_name() {
    let of = |zone: &'static str| limits(month(zone));
    assert_eq!(of("europe/berlin"), of("Europe/Berlin"));
    assert_eq!(of("utc"), limits(Quota::per_calendar_month(3)));
    assert_ne!(of("Europe/Berlin"), of("UTC"));
    let limits = of("europe/berlin");
    let refill = Refill::Calendar { unit: CalendarUnit::Month, time_zone: "Europe/Berlin" };
    assert_eq!(limits.windows().next().unwrap().refill, refill);
}

/// A bucket of another caller is another bucket, and a question counts nothing.
#[test]
fn a_question_counts_nothing_and_stores_nothing() {
    let (limiter, limits, now) = (MemoryLimiter::new(), limits(Quota::per_calendar_day(2)), at("2026-06-02T18:00:00Z"));
    for _ in 0..3 {
        let asked = limiter.try_acquire(BucketKey::new(["bob"]), &limits, 0, now);
        assert!(matches!(asked, LimitDecision::Admitted(levels)
            if levels.tightest().remaining == 2 && levels.tightest().reset == Duration::from_secs(6 * HOUR)));
    }
    assert!(limiter.is_empty());
}
