//! What a limiter of one's own answers with.

use std::time::Duration;

use tower_auth::limit::{WindowState, WindowStates};

use super::SECOND;

fn levels(count: u32, speaking: usize) -> WindowStates {
    WindowStates::new((0..count).map(|number| WindowState::new(number, number * SECOND)), speaking)
}

#[test]
fn levels_are_the_first_four_and_one_of_them_speaks() {
    for count in 1..=6 {
        for speaking in 0..6 {
            let levels = levels(count, speaking);
            let kept = count.min(4);
            assert_eq!(
                levels.all(),
                (0..kept).map(|number| WindowState::new(number, number * SECOND)).collect::<Vec<_>>()
            );
            let place = u32::try_from(speaking).unwrap().min(kept - 1);
            assert_eq!(levels.tightest(), WindowState::new(place, place * SECOND));
            assert_eq!(levels.tightest_index(), place as usize);
        }
    }
}

#[test]
fn levels_of_nothing_say_nothing() {
    let levels = levels(0, 3);
    assert!(levels.all().is_empty());
    assert_eq!((levels.tightest_index(), levels.tightest()), (0, WindowState::new(0, Duration::ZERO)));
    assert_eq!(WindowStates::new([WindowState::new(7, SECOND)], usize::MAX).tightest_index(), 0);
}
