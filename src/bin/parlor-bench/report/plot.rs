//! The report of a run, as a picture: latency percentiles and throughput over time.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::words::{grouped, load_line};
use crate::load::Outcome;
use crate::record::Interval;

const SIZE: (u32, u32) = (960, 600);
const LATENCY_HEIGHT: u32 = 350;
const FONT: &str = "system-ui, sans-serif";
const INK: RGBColor = RGBColor(36, 41, 47);
const FAINT: RGBColor = RGBColor(225, 228, 232);
const THROUGHPUT: RGBColor = RGBColor(9, 105, 218);

/// Percentiles from the bottom up, from calm to alarming.
const LINES: [(&str, RGBColor); 5] = [
    ("p50", RGBColor(26, 127, 55)),
    ("p90", RGBColor(9, 105, 218)),
    ("p99", RGBColor(130, 80, 223)),
    ("p99.9", RGBColor(191, 135, 0)),
    ("max", RGBColor(207, 34, 46)),
];

type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

/// Draws the intervals of a run into an SVG file.
pub(crate) fn plot(outcome: &Outcome, file: &Path) -> Drawn {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!(
        "{} connections, {}",
        grouped(outcome.options.connections as u64),
        load_line(&outcome.options)
    );
    let root = root.titled(&title, (FONT, 20).into_font().color(&INK))?;
    let (upper, lower) = root.split_vertically(LATENCY_HEIGHT);
    draw_latency(&upper, &outcome.intervals)?;
    draw_throughput(&lower, &outcome.intervals)?;
    root.present()?;
    Ok(())
}

fn draw_latency(panel: &Panel<'_>, intervals: &[Interval]) -> Drawn {
    let latencies = || intervals.iter().filter_map(|interval| interval.latency_us);
    let lowest = latencies().map(|latency| latency[0]).min().unwrap_or(1_000);
    let highest = latencies().map(|latency| latency[4]).max().unwrap_or(1_000);
    let mut chart = ChartBuilder::on(panel)
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..end_of(intervals), decades(lowest, highest).log_scale())?;
    chart
        .configure_mesh()
        .label_style((FONT, 14).into_font().color(&INK))
        .axis_desc_style((FONT, 15).into_font().color(&INK))
        .axis_style(FAINT)
        .bold_line_style(FAINT)
        .light_line_style(WHITE)
        .x_labels(11)
        .x_label_formatter(&|s| format!("{} s", (s * 10.0).round() / 10.0))
        .y_label_formatter(&|ms| format!("{ms} ms"))
        .y_desc("latency")
        .draw()?;
    for (nth, (name, color)) in LINES.into_iter().enumerate().rev() {
        let points = intervals.iter().filter_map(|interval| {
            let latency = interval.latency_us?;
            Some((interval.end_s, latency[nth].max(1) as f64 / 1e3))
        });
        chart
            .draw_series(LineSeries::new(points, color.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font((FONT, 14).into_font().color(&INK))
        .background_style(WHITE.mix(0.85))
        .border_style(FAINT)
        .draw()?;
    Ok(())
}

fn draw_throughput(panel: &Panel<'_>, intervals: &[Interval]) -> Drawn {
    let points: Vec<(f64, f64)> = intervals
        .iter()
        .map(|interval| {
            (
                interval.end_s,
                interval.deliveries as f64 / interval.length_s,
            )
        })
        .collect();
    let highest = points.iter().map(|&(_, rate)| rate).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(panel)
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..end_of(intervals), 0.0..highest * 1.15)?;
    chart
        .configure_mesh()
        .label_style((FONT, 14).into_font().color(&INK))
        .axis_desc_style((FONT, 15).into_font().color(&INK))
        .axis_style(FAINT)
        .bold_line_style(FAINT)
        .light_line_style(WHITE)
        .x_labels(11)
        .y_labels(5)
        .x_label_formatter(&|s| format!("{} s", (s * 10.0).round() / 10.0))
        .y_label_formatter(&|rate| short(*rate))
        .y_desc("deliveries per second")
        .draw()?;
    let area =
        AreaSeries::new(points, 0.0, THROUGHPUT.mix(0.15)).border_style(THROUGHPUT.stroke_width(2));
    chart.draw_series(area)?;
    Ok(())
}

fn end_of(intervals: &[Interval]) -> f64 {
    intervals.last().map_or(1.0, |interval| interval.end_s)
}

/// The decades that hold these latencies, in milliseconds.
fn decades(lowest_us: u64, highest_us: u64) -> std::ops::Range<f64> {
    let exponent = |us: u64| (us.max(1) as f64 / 1e3).log10();
    10_f64.powf(exponent(lowest_us).floor())..10_f64.powf((exponent(highest_us) + 1e-9).ceil())
}

/// 1500000 as 1.5 M.
fn short(number: f64) -> String {
    match number {
        _ if number >= 1e6 => format!("{} M", (number / 1e5).round() / 10.0),
        _ if number >= 1e3 => format!("{} k", (number / 1e2).round() / 10.0),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_hold_their_figures() {
        assert_eq!(decades(400, 23_000), 0.1..100.0);
        assert_eq!(decades(1_000, 1_000), 1.0..10.0);
        let texts = [0.0, 950.0, 1_500.0, 12_340_000.0].map(short);
        assert_eq!(texts, ["0", "950", "1.5 k", "12.3 M"]);
    }
}
