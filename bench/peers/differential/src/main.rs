//! One view of `bench:ivm` in differential-dataflow: `millrace-bench-differential <view> <rows> <budget ms>`. Prints its figures as JSON.
//!
//! The rows and updates are those of `bench/ivm/workload.ts` (xorshift32, the same seeds). COUNT and SUM live in the difference, and are summed below the join:
//! the fastest form that differential has. MIN is a reduce over the group's prices; with 15 groups a tree of two. Ends with a plain recomputation.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use differential_dataflow::input::InputSession;
use differential_dataflow::operators::CountTotal;
use timely::dataflow::operators::probe::Handle;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LINES_AN_ORDER: usize = 4;
const LINES_A_CUSTOMER: usize = 40;
const PRIORITIES: u32 = 5;
const FLAGS: u32 = 3;
const QUANTITIES: u32 = 50;
const PRICES: u32 = 9_999_999;
/// Buckets below a group with very many prices: an update looks at the prices of one of them, then at their minima.
const BUCKETS: u32 = 256;
const SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];
const UPDATES_A_ROUND: usize = 10_000;

struct Random(u32);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % n
    }
}

#[derive(Clone, Copy, PartialEq, Debug, Default)]
struct Shown {
    count: i64,
    sum: i64,
    min: Option<u32>,
}

struct Workload {
    customer: Vec<u32>,
    priority: Vec<u32>,
    flag: Vec<u32>,
    quantity: Vec<u32>,
    price: Vec<u32>,
    updates: Random,
}

impl Workload {
    fn new(lines: usize) -> Self {
        let orders = lines.div_ceil(LINES_AN_ORDER);
        let customers = (lines / LINES_A_CUSTOMER).max(1) as u32;
        let mut random = Random(0x1234567);
        let mut made = Workload {
            customer: Vec::new(),
            priority: Vec::new(),
            flag: Vec::new(),
            quantity: Vec::new(),
            price: Vec::new(),
            updates: Random(0x7654321),
        };
        for _ in 0..orders {
            made.customer.push(random.below(customers));
            made.priority.push(random.below(PRIORITIES));
        }
        for _ in 0..lines {
            made.flag.push(random.below(FLAGS));
            made.quantity.push(1 + random.below(QUANTITIES));
            made.price.push(1 + random.below(PRICES));
        }
        made
    }

    /// (order, flag, value of the sum, price) of a line.
    fn line(&self, line: usize, view: &str) -> Line {
        let value = if view == "A1" { self.quantity[line] } else { self.price[line] };
        let flag = if by_customer(view) { 0 } else { self.flag[line] };
        ((line / LINES_AN_ORDER) as u32, flag, value, self.price[line])
    }

    fn group_of_order(&self, order: usize, view: &str) -> u32 {
        if by_customer(view) { self.customer[order] } else { self.priority[order] * FLAGS }
    }

    fn truth(&self, view: &str) -> HashMap<u32, Shown> {
        let mut truth: HashMap<u32, Shown> = HashMap::new();
        for line in 0..self.price.len() {
            let (order, flag, value, price) = self.line(line, view);
            let shown = truth.entry(self.group_of_order(order as usize, view) + flag).or_default();
            shown.count += 1;
            shown.sum += value as i64;
            if has_minimum(view) {
                shown.min = Some(shown.min.map_or(price, |min| min.min(price)));
            }
        }
        truth
    }
}

type Line = (u32, u32, u32, u32);

fn by_customer(view: &str) -> bool {
    view == "A2" || view == "M"
}

fn has_minimum(view: &str) -> bool {
    view == "M" || view == "M3"
}

/// CPU nanoseconds of this (the only) thread.
fn cpu_nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let view = args[1].clone();
    let rows: usize = args[2].parse().unwrap();
    let budget_ms: f64 = args[3].parse().unwrap();
    timely::execute_directly(move |worker| {
        let mut workload = Workload::new(rows);
        let sums: Rc<RefCell<HashMap<u32, (i64, i64)>>> = Rc::default();
        let minima: Rc<RefCell<HashMap<u32, u32>>> = Rc::default();
        let mut lines: InputSession<u32, Line, isize> = InputSession::new();
        let mut orders: InputSession<u32, (u32, u32), isize> = InputSession::new();
        let probe = Handle::new();
        let (sums_seen, minima_seen, shown_view) = (sums.clone(), minima.clone(), view.clone());
        worker.dataflow::<u32, _, _>(|scope| {
            let orders = orders.to_collection(scope).arrange_by_key();
            let lines = lines.to_collection(scope);
            let sums = lines
                .clone()
                .explode(|(order, flag, value, _)| Some(((order, flag), (1isize, value as isize))))
                .arrange_by_key()
                .join_core(orders.clone(), |_, flag, group| Some(group + flag))
                .count_total();
            sums.inspect(move |((group, (count, sum)), _, diff)| show(&mut sums_seen.borrow_mut(), *group, (*count as i64, *sum as i64), *diff))
                .probe_with(&probe);
            if has_minimum(&shown_view) {
                let prices = lines.map(|(order, flag, _, price)| (order, (flag, price))).arrange_by_key().join_core(orders, |_, (flag, price), group| Some((group + flag, *price)));
                let minima = if by_customer(&shown_view) {
                    prices.reduce(least::<u32>)
                } else {
                    prices
                        .map(|(group, price)| ((group, price % BUCKETS), price))
                        .reduce(least::<(u32, u32)>)
                        .map(|((group, _), price)| (group, price))
                        .reduce(least::<u32>)
                };
                minima.inspect(move |((group, price), _, diff)| show(&mut minima_seen.borrow_mut(), *group, *price, *diff)).probe_with(&probe);
            }
        });
        let mut time = 0u32;
        let cpu_before = cpu_nanos();
        for order in 0..workload.customer.len() {
            orders.insert((order as u32, workload.group_of_order(order, &view)));
        }
        for line in 0..rows {
            lines.insert(workload.line(line, &view));
        }
        let mut step = |lines: &mut InputSession<u32, Line, isize>, orders: &mut InputSession<u32, (u32, u32), isize>| {
            time += 1;
            lines.advance_to(time);
            orders.advance_to(time);
            lines.flush();
            orders.flush();
            while probe.less_than(lines.time()) {
                worker.step();
            }
        };
        step(&mut lines, &mut orders);
        let load_seconds = (cpu_nanos() - cpu_before) as f64 / 1e9;
        let mut figures = Vec::new();
        for size in SIZES {
            let mut rates = Vec::new();
            let mut spent_ms = 0.0;
            let mut per_round = (UPDATES_A_ROUND / size).clamp(1, 1_000);
            let mut latencies: Vec<f64> = Vec::new();
            let mut round = 0;
            while (spent_ms < budget_ms || rates.len() < 3) && spent_ms < 6.0 * budget_ms {
                let batches: Vec<Vec<(Line, Line)>> = (0..per_round)
                    .map(|_| {
                        (0..size)
                            .map(|_| {
                                let line = workload.updates.below(rows as u32) as usize;
                                let old = workload.line(line, &view);
                                workload.quantity[line] = 1 + workload.updates.below(QUANTITIES);
                                workload.price[line] = 1 + workload.updates.below(PRICES);
                                (old, workload.line(line, &view))
                            })
                            .collect()
                    })
                    .collect();
                let cpu = cpu_nanos();
                let begun = Instant::now();
                let mut last = 0.0;
                for batch in &batches {
                    for (old, new) in batch {
                        lines.remove(*old);
                        lines.insert(*new);
                    }
                    step(&mut lines, &mut orders);
                    let now = begun.elapsed().as_secs_f64();
                    latencies.push((now - last) * 1e6);
                    last = now;
                }
                let ms = begun.elapsed().as_secs_f64() * 1e3;
                if round > 0 {
                    spent_ms += ms;
                }
                if round == 0 {
                    latencies.clear();
                    if ms > budget_ms / 4.0 {
                        per_round = ((per_round as f64 * budget_ms / 4.0 / ms) as usize).max(1);
                    }
                } else {
                    rates.push((batches.len() * size) as f64 / ((cpu_nanos() - cpu) as f64 / 1e9));
                }
                round += 1;
            }
            figures.push(format!(
                "{{\"size\":{size},\"updatesPerSecond\":{:.0},\"p50Us\":{:.2},\"p99Us\":{:.2}}}",
                at(&mut rates, 0.5),
                at(&mut latencies, 0.5),
                at(&mut latencies, 0.99)
            ));
        }
        let truth = workload.truth(&view);
        let (sums, minima) = (sums.borrow(), minima.borrow());
        assert_eq!(sums.len(), truth.len(), "groups");
        for (group, expected) in &truth {
            let (count, sum) = sums[group];
            let seen = Shown { count, sum, min: minima.get(group).copied() };
            assert_eq!(seen, *expected, "group {group}");
        }
        println!("{{\"loadSeconds\":{load_seconds:.3},\"batches\":[{}]}}", figures.join(","));
    });
}

/// Values come in order.
fn least<K>(_: &K, input: &[(&u32, isize)], output: &mut Vec<(u32, isize)>) {
    output.push((*input[0].0, 1));
}

fn show<V: PartialEq>(shown: &mut HashMap<u32, V>, group: u32, value: V, diff: isize) {
    if diff > 0 {
        shown.insert(group, value);
    } else if shown.get(&group) == Some(&value) {
        shown.remove(&group);
    }
}

fn at(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
}
