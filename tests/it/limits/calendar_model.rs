//! Calendar windows next to a naive model: a table of counts by date.

use std::{collections::HashMap, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use proptest::prelude::*;
use tower_auth::{
    Quota,
    limit::{BucketKey, LimitDecision, LimitTime, Limiter as _, MemoryLimiter, Reservation},
};

use super::limits;

const ZONE: &str = "Europe/Berlin";

#[derive(Clone, Debug)]
enum Step {
    /// So many seconds pass.
    Pass(i64),
    Take(u8, u32),
    /// The n-th last admitted request is given back.
    GiveBack(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..100_000_i64).prop_map(Step::Pass),
        1 => (0..3_000_000_i64).prop_map(Step::Pass),
        6 => (0..3_u8, 0..6_u32).prop_map(|(who, cost)| Step::Take(who, cost)),
        2 => (0..4_usize).prop_map(Step::GiveBack),
    ]
}

/// The day and the month that the clocks there show.
fn dates(seconds: i64) -> [String; 2] {
    let zone = TimeZone::get(ZONE).unwrap();
    let date = Timestamp::from_second(seconds).unwrap().to_zoned(zone).date();
    [date.to_string(), date.strftime("%Y-%m").to_string()]
}

proptest! {
    #[test]
    fn decides_as_a_table_of_dates_does(day in 1..12_u32, month in 1..30_u32, steps in prop::collection::vec(step(), 1..80)) {
        let sizes = [day, month];
        let quotas = [Quota::per_calendar_day(day).in_time_zone(ZONE), Quota::per_calendar_month(month).in_time_zone(ZONE)];
        let (limits, limiter) = (limits(quotas), MemoryLimiter::new());
        let mut counts: HashMap<(u8, String), u32> = HashMap::new();
        let mut taken: Vec<(u8, u32, Reservation, [String; 2])> = Vec::new();
        let mut seconds = 1_774_000_000_i64;
        let bucket = |who: u8| BucketKey::new(["caller", &who.to_string()]);
        for step in steps {
            let wall = Timestamp::from_second(seconds).unwrap().into();
            let now = LimitTime::new(Duration::from_secs(1), wall);
            let dates = dates(seconds);
            let count = |counts: &HashMap<(u8, String), u32>, who: u8, place: usize| {
                counts.get(&(who, dates[place].clone())).copied().unwrap_or(0)
            };
            match step {
                Step::Pass(more) => seconds += more,
                Step::Take(who, cost) => {
                    let fits = (0..2).all(|place| count(&counts, who, place) + cost <= sizes[place]);
                    match limiter.try_acquire(bucket(who), &limits, cost, now) {
                        LimitDecision::Admitted(levels) => {
                            prop_assert!(fits);
                            for place in 0..2 {
                                *counts.entry((who, dates[place].clone())).or_default() += cost;
                                prop_assert_eq!(levels.all()[place].remaining, sizes[place] - count(&counts, who, place));
                            }
                            let reservation = Reservation::new(cost, &limits, &levels, now.elapsed());
                            taken.push((who, cost, reservation, dates.clone()));
                        }
                        LimitDecision::Refused { .. } => prop_assert!(!fits && cost <= day.min(month)),
                        other => prop_assert!(cost > day.min(month), "{other:?}"),
                    }
                }
                Step::GiveBack(last) if last < taken.len() => {
                    let (who, cost, reservation, dates) = taken.remove(taken.len() - 1 - last);
                    limiter.refund(bucket(who), &reservation, now);
                    for date in dates {
                        counts.entry((who, date)).and_modify(|count| *count -= cost);
                    }
                }
                Step::GiveBack(_) => {}
            }
        }
    }
}
