//! Sixty-four processes that want one key.

use crate::crowd::{Mix, Shape};
use crate::world::{Reach, World};

fn all_get_on(shape: Shape) {
    let mut world = World::new(2, Reach::Plain);
    let report = world.plays(shape, |world| {
        let before = world.crowd().processes();
        world.works(50);
        let after = world.crowd().processes();
        let made: Vec<_> = after.iter().zip(&before).map(|(after, before)| after.steps - before.steps).collect();
        let (least, most) = (made.iter().min().expect("many"), made.iter().max().expect("many"));
        println!(
            "{} calls of 64 processes on one key: the slowest made {least}, the fastest {most}, {:.1} times as many",
            made.iter().sum::<u64>(),
            *most as f64 / *least as f64
        );
    });
    assert_eq!(report.failed, 0, "calls failed: {report}");
}

const CROWD: Shape =
    Shape { processes: 64, plain: 0, keys: 0, counters: 1, room: 50_000, pause_us: 0, mix: Mix::COUNTING };

#[test]
fn sixty_four_processes_count_on_one_counter() {
    all_get_on(CROWD);
}

#[test]
fn sixty_four_processes_store_one_key() {
    all_get_on(Shape { keys: 1, counters: 0, mix: Mix::STORING, ..CROWD });
}
