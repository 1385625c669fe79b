"""Tests of what computes: medians and ratios, charts, the reading of help texts."""

import pathlib
import subprocess
import sys
import types
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import compare
import scenarios
from harness import chart, processes, results, systems


def result(rate, client, p50=1.0, others=0.0, **calls):
    latency = {"send": {"p50": p50, "p99": 4 * p50}, **calls}
    return {"cycles_per_s": rate, "latency_ms": latency,
            "cpu": {"client_us_per_cycle": client, "cores_used_by_others": others, "cores": 2}}


class SummariseTest(unittest.TestCase):
    def rows(self, *measurements):
        made = [results.Measurement(key, number, made_of) for key, number, made_of in measurements]
        return {row.key: row for row in results.summarise(made, batch=1, connections=64)}

    def test_ratios_are_of_the_same_round(self):
        rows = self.rows(("weir", 1, result(300, 10)), ("skip-locked", 1, result(100, 40)),
                         ("weir", 2, result(100, 20)), ("skip-locked", 2, result(50, 20)))
        self.assertEqual(rows["weir"].ratios, [3, 2])
        self.assertEqual(rows["weir"].median_ratio, 2.5)
        self.assertEqual(rows["weir"].cpu_ratios, [4, 1])
        self.assertEqual(rows["weir"].rate, 200)
        self.assertEqual(rows["skip-locked"].ratios, [1, 1])

    def test_without_the_baseline_there_are_no_ratios(self):
        rows = self.rows(("weir", 1, result(300, 10)))
        self.assertEqual(rows["weir"].ratios, [])
        self.assertIn("| 300 |  |", results.markdown(list(rows.values())))

    def test_calls_that_a_workload_lacks_are_left_out(self):
        rows = self.rows(("rabbitmq", 1, result(300, 10, end_to_end={"p50": 2, "p99": 3})))
        self.assertEqual(set(rows["rabbitmq"].latency), {"send", "end_to_end"})
        self.assertEqual(set(rows["rabbitmq"].cpu), {"client"})
        self.assertEqual(rows["rabbitmq"].name, "RabbitMQ quorum queue, 64 publishers with 1 outstanding")
        self.assertIn("| 1 / 4 | – | – | 2 / 3 |", results.markdown(list(rows.values())))

    def test_a_call_that_nobody_answers_has_no_latency(self):
        rows = self.rows(("jetstream", 1, result(300, 10, delete={"p50": 0, "p99": 0})))
        self.assertEqual(set(rows["jetstream"].latency), {"send"})

    def test_a_round_without_a_cycle_is_shown_as_it_is(self):
        nothing = {"cycles_per_s": 0, "latency_ms": {}, "cpu": {"cores_used_by_others": 2.0, "cores": 2}}
        rows = self.rows(("skip-locked", 1, result(100, 10)), ("beanstalkd", 1, nothing))
        self.assertEqual((rows["beanstalkd"].ratios, rows["beanstalkd"].cpu_ratios), ([0], []))

    def test_the_busiest_round_tells_how_much_others_used(self):
        rows = self.rows(("weir", 1, result(300, 10, others=0.1)), ("weir", 2, result(300, 10, others=0.7)))
        self.assertEqual(rows["weir"].others, 0.7)


class NumberTest(unittest.TestCase):
    def test_numbers_have_three_digits_that_matter(self):
        self.assertEqual([results.number(value) for value in (7210.4, 41.34, 0.0123, 0)], ["7,210", "41.3", "0.0123", "0"])


class ChartTest(unittest.TestCase):
    def test_steps_of_an_axis_are_round(self):
        self.assertEqual([chart.nice_step(largest) for largest in (0, 1, 7, 80, 49_700, 152_000, 250_000)],
                         [1, 0.2, 2, 20, 10_000, 50_000, 50_000])

    def test_no_axis_has_more_than_its_steps(self):
        for largest in range(1, 3000, 7):
            self.assertLessEqual(largest / chart.nice_step(largest), 5.0001)

    def test_the_longest_bar_fills_its_room(self):
        room = chart.WIDTH - chart.LEFT - chart.RIGHT
        self.assertEqual(chart.scale(10, 10), room)
        self.assertEqual(chart.scale(5, 10), room / 2)
        self.assertEqual(chart.scale(0, 0), 0)

    def test_lines_break_between_words(self):
        self.assertEqual(chart.wrapped("one two three", 7), ["one two", "three"])
        self.assertEqual(chart.wrapped("", 7), [""])

    def test_a_chart_is_xml_with_every_name_and_a_bar_each(self):
        entries = [{"name": f"<{i}> & co", "under": "fsync", "kind": kind, "synced": i > 0, "value": i, "low": i, "high": i + 1,
                    "label": str(i)} for i, kind in enumerate(("ours", "baseline", "peer"))]
        drawn = chart.bars("Title", "subtitle", entries, ["foot"])
        root = xml.etree.ElementTree.fromstring(drawn)
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        self.assertTrue({"Title", "<0> & co", "<1> & co", "<2> & co"} <= set(texts))
        bars = [element for element in root.iter("{http://www.w3.org/2000/svg}rect") if element.get("x")]
        self.assertEqual([bar.get("fill") for bar in bars],
                         ["url(#not-synced-ours)", chart.COLOURS["baseline"], chart.COLOURS["peer"]])


class SystemsTest(unittest.TestCase):
    HELP = "Workloads.\nOptions:\n  -h,--help  Print\n\nSubcommands:\n  cycle                       Full\n                              cycles\n  skip-locked  x\n"

    def test_workloads_are_read_from_the_help(self):
        self.assertEqual(systems.parse_workloads(self.HELP), {"cycle", "skip-locked"})
        self.assertEqual(systems.parse_workloads("nothing"), set())

    def test_publishers_wait_for_each_confirm_or_have_100_under_way(self):
        self.assertEqual(systems.rabbitmq_arguments(1, 64), ["--connections", 64, "--outstanding", 1])
        self.assertEqual(systems.rabbitmq_arguments(10, 64), ["--connections", 4, "--outstanding", 100])
        self.assertEqual(systems.stream_arguments(1, 64), ["--producers", 64, "--outstanding", 1, "--batch", 1])
        self.assertEqual(systems.stream_arguments(10, 64), ["--producers", 4, "--outstanding", 100, "--batch", 10])

    def test_workloads_know_the_arguments_that_they_are_given(self):
        for system in systems.SYSTEMS:
            program = pathlib.Path(systems.__file__).parents[2] / "build/release/bin" / system.program
            if system.workload not in systems.workloads_of(program):
                continue  # needs the peers' client libraries
            text = subprocess.run([program, system.workload, "--help"], capture_output=True, text=True).stdout
            for batch in (1, 10):
                for word in system.arguments(batch, 64):
                    if str(word).startswith("--"):
                        self.assertRegex(text, rf"(?m)^ +{word} ", f"{system.key}: {system.workload}")


class IdleTest(unittest.TestCase):
    def test_cpu_is_of_those_that_still_run(self):
        before, after = {1: 10.0, 2: 5.0}, {1: 10.5, 3: 0.25}
        self.assertEqual(scenarios.cpu_percent(before, after, seconds=10), 7.5)


class PublishTest(unittest.TestCase):
    def publish(self, folder, document, most=0.1):
        (folder / "out").mkdir()
        (folder / "out/compare-1.svg").write_text("<svg/>")
        (folder / "doc.md").write_text(document)
        compare.publish("new\n", most, types.SimpleNamespace(batches=[1], out=folder / "out"), folder / "doc.md", folder / "img")
        return (folder / "doc.md").read_text()

    def test_figures_replace_those_between_the_marks(self):
        with processes.temporary_folder() as folder:
            published = self.publish(folder, f"a\n{compare.BEGIN}\nold\n{compare.END}\nb\n")
            self.assertEqual(published, f"a\n{compare.BEGIN}\nnew\n{compare.END}\nb\n")
            self.assertTrue((folder / "img/compare-1.svg").exists())

    def test_figures_of_a_busy_machine_are_refused(self):
        with processes.temporary_folder() as folder:
            with self.assertRaisesRegex(processes.Failed, "others used 1.20 cores"):
                self.publish(folder, f"{compare.BEGIN}{compare.END}", most=1.2)

    def test_a_document_without_the_marks_is_left_alone(self):
        with processes.temporary_folder() as folder:
            with self.assertRaisesRegex(processes.Failed, "lacks the lines"):
                self.publish(folder, "nothing here")

    def test_this_repository_has_the_marks(self):
        text = compare.DOCUMENT.read_text(encoding="utf-8")
        self.assertIn(compare.BEGIN, text)
        self.assertIn(compare.END, text.partition(compare.BEGIN)[2])


class ProcessTest(unittest.TestCase):
    def test_a_server_that_ends_is_told_with_its_last_words(self):
        with processes.temporary_folder() as folder:
            with self.assertRaisesRegex(processes.Failed, "(?s)sh did not get ready.*no such disk"):
                processes.Process("sh", ["sh", "-c", "echo no such disk; exit 3"], folder, lambda: False)

    def test_a_server_is_gone_after_its_stop_and_so_are_its_children(self):
        with processes.temporary_folder() as folder:
            server = processes.Process("sh", ["sh", "-c", "echo $$ >up; sleep 600 & sleep 600"], folder, (folder / "up").exists)
            server.stop()
            self.assertFalse(pathlib.Path(f"/proc/{server.pid}/stat").exists())

    def test_a_program_that_is_not_installed_is_named(self):
        with processes.temporary_folder() as folder:
            with self.assertRaisesRegex(processes.Failed, "no-such-server is not installed"):
                processes.Process("x", ["no-such-server"], folder, lambda: True)


if __name__ == "__main__":
    unittest.main()
