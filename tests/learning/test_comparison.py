"""Tables of conditions: reading and refusing, and how results are laid out."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuro.datasets import Dataset
from neuro.errors import JobError
from neuro.learning.comparison import Comparison, read_comparison
from neuro.learning.comparison_table import (
    Group,
    comma_separated,
    failures,
    lines,
    markdown,
    metrics,
)
from neuro.learning.condition import condition
from neuro.learning.continual_results import SeedResult
from neuro.models.comparison import prepare

EXAMPLES = Path(__file__).parents[2] / "examples"


def read(folder: Path, text: str, **options: Any) -> Comparison:
    path = folder / "table.toml"
    path.write_text(text)
    return read_comparison(path, **options)


# --- reading ---------------------------------------------------------------------------------


def test_rows_inherit_from_the_table(tmp_path: Path) -> None:
    (tmp_path / "found.json").write_text('{"rate": 42.0}')
    table = read(
        tmp_path,
        """
        [table]
        title = "T"
        datasets = ["digits", "mnist"]
        seeds = "3-5"
        sleep = "brian2"
        epochs = 7
        evaluate_on = "validation"
        set.sleep_steps = 99
        set.window = 4
        [[row]]
        name = "a"
        [[row]]
        name = "b"
        datasets = "digits"
        seeds = [8, 1]
        sleep = "none"
        learner = "ff"
        regulariser = "si"
        rehearsal = 0.5
        epochs = 2
        set.window = "none"
        [[row]]
        name = "c"
        preset = "found.json"
        datasets = "digits"
        images_per_task = 12
        """,
    )
    assert (table.title, table.evaluate_on, table.device) == ("T", "validation", "cpu")
    assert table.datasets == ("digits", "mnist")
    a, b, c = table.rows
    assert (a.seeds, b.seeds) == ((3, 4, 5), (8, 1))
    shared = {"epochs": 7, "sleep_steps": 99, "window": 4}
    for name in ("digits", "mnist"):  # each with the settings that ship for it
        assert a.conditions[name] == condition(
            name, sleep="brian2", settings=shared, evaluate_on="validation"
        )
    assert a.conditions["digits"].preset.hidden != a.conditions["mnist"].preset.hidden
    assert list(b.conditions) == ["digits"]
    own = b.conditions["digits"]
    assert own.backend is None and own.preset.window is None
    assert (own.preset.learner, own.preset.regulariser, own.preset.epochs) == ("ff", "si", 2)
    assert own.preset.sleep_steps == 99.0 and own.protocol.rehearsal == 0.5
    found = c.conditions["digits"]  # beside the table's file, wherever the command runs
    assert found.preset.rate == 42.0
    assert found.preset.images_per_task == found.protocol.images_per_task == 12


def test_rows_choose_sequences_of_tasks(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        """
        [table]
        protocol = "permuted"
        tasks = 4
        images_per_class = 7
        test_images = 20
        sleep = "reference"
        pool = 2
        [[row]]
        name = "a"
        [[row]]
        name = "b"
        protocol = "split"
        classes_per_task = 5
        class_order = "shuffled"
        images_per_task = 9
        blur = 0.25
        [[row]]
        name = "c"
        learner = "sg"
        """,
    )
    a, b, c = (row.conditions["digits"] for row in table.rows)
    assert (a.protocol.kind, a.protocol.tasks, a.protocol.images_per_class) == ("permuted", 4, 7)
    assert (a.protocol.images_per_task, a.protocol.test_images) == (None, 20)
    assert (a.backend, a.pool) == ("reference", 2)
    # What a row says in one way replaces what the table says in another.
    assert (b.protocol.tasks, b.protocol.classes_per_task) == (None, 5)
    assert (b.protocol.images_per_task, b.protocol.images_per_class) == (9, None)
    assert (b.protocol.class_order, b.protocol.blur) == ("shuffled", 0.25)
    assert c.backend is None  # it cannot sleep, whatever the table says
    assert c.to_json()["protocol"]["kind"] == "permuted"


def test_learners_are_shown_the_pixels_that_suit_them() -> None:
    made = {name: condition("mnist", learner=name) for name in ("ep", "sg")}
    for name, large, small in (("ep", 28, 8), ("sg", 14, 8)):
        for side, shown in ((28, large), (8, small)):
            images, label = np.zeros((1, side, side), np.float32), np.zeros(1, np.int64)
            data = Dataset("x", images, label, images, label)
            assert made[name].shown(data).shape == (shown, shown)
            assert replace(made[name], pool=4).shown(data).shape == (side // 4, side // 4)


def test_joint_rows_leave_out_what_protects_earlier_tasks(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        '[table]\nsleep = "reference"\nrehearsal = 0.1\nlearner = "ff"\nregulariser = "ewc"\n'
        '[[row]]\nname = "all"\njoint = true\n',
    )
    (row,) = table.rows
    made = row.conditions["digits"]
    assert made == condition("digits", learner="ff", joint=True)
    assert made.backend is None and made.preset.regulariser == "none"


def test_cells_give_a_whole_table_early_and_seeds_can_be_replaced(tmp_path: Path) -> None:
    text = (
        '[table]\nseeds = "0-1"\n[[row]]\nname = "a"\n'
        '[[row]]\nname = "b"\nseeds = [7]\n[[row]]\nname = "c"\nsleep = "reference"\n'
    )
    cells = read(tmp_path, text).cells
    assert [(c.row, c.seed) for c in cells] == [("a", 0), ("b", 7), ("c", 0), ("a", 1), ("c", 1)]
    cells = read(tmp_path, text, seeds=(4,)).cells
    assert [(c.row, c.seed) for c in cells] == [("a", 4), ("b", 4), ("c", 4)]


@pytest.mark.parametrize("name", ["paper_comparison.toml", "quick_comparison.toml"])
def test_shipped_tables(name: str) -> None:
    table = read_comparison(EXAMPLES / name)
    made = [next(iter(row.conditions.values())) for row in table.rows]
    told = {
        (m.preset.learner, m.preset.regulariser, m.backend, m.protocol.rehearsal, m.protocol.joint)
        for m in made
    }
    assert len(told) == len(table.rows) == 12
    for learner in ("ep", "bptt", "ff"):
        for backend in (None, "reference"):
            assert (learner, "none", backend, 0.0, False) in told
    for regulariser in ("ewc", "si", "lwf"):
        assert ("ff", regulariser, None, 0.0, False) in told
    assert ("ep", "none", "reference", 0.02, False) in told
    assert ("ep", "none", None, 0.0, True) in told
    if name.startswith("quick"):
        assert set(prepare(table)) == {"digits"}


def test_the_shipped_table_of_mnist_tells_the_task_to_ewc_and_si() -> None:
    table = read_comparison(EXAMPLES / "mnist_comparison.toml")
    told = {
        made.preset.regulariser
        for row in table.rows
        for made in row.conditions.values()
        if made.protocol.scenario == "task"
    }
    assert told == {"ewc", "si"}
    assert table.datasets == ("mnist",) and all(len(row.seeds) == 5 for row in table.rows)


# --- refusing --------------------------------------------------------------------------------

ROW = '[[row]]\nname = "EP"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[table\n", "table.toml is not a TOML file: "),
        ("[table]\n", "there is no row to compare; write at least one [[row]]"),
        ('[row]\nname = "EP"\n', "'row' is no list of rows; begin each with [[row]]"),
        ("table = 3\n" + ROW, "'table' is 3; write it as a section [table]"),
        ("[rows]\n", "unknown key 'rows'; did you mean 'row'? known are table, row"),
        ("[table]\nseed = 3\n" + ROW, "[table]: unknown key 'seed'; did you mean 'seeds'?"),
        ('[table]\nname = "x"\n' + ROW, "[table]: unknown key 'name'"),
        (ROW + 'slep = "x"\n', "row 1 ('EP'): unknown key 'slep'; did you mean 'sleep'?"),
        (ROW + "joint = 1\n", "row 1 ('EP'): joint is 1; give true or false"),
        (ROW + "sleep = true\n", "row 1 ('EP'): sleep is True; give the name of a backend"),
        (ROW + "rehearsal = 2\n", "row 1 ('EP'): rehearsal is 2; give a fraction from 0 to 1"),
        (ROW + "epochs = 0\n", "row 1 ('EP'): epochs is 0; give a number from 1 on"),
        (ROW + 'seeds = "4-1"\n', "row 1 ('EP'): seeds is '4-1'; give a range"),
        (ROW + "seeds = [1, -1]\n", "row 1 ('EP'): seeds is [1, -1]; give a range"),
        (ROW + "datasets = []\n", "row 1 ('EP'): datasets is []; give names of data sets"),
        (ROW + 'device = "cpu"\n', "row 1 ('EP'): unknown key 'device'"),
        (ROW + 'scenario = "task"\n', "'EP'): scenario 'task' is for learners 'ff' and 'sg'"),
        (ROW + 'learner = "gd"\n', "row 1 ('EP'), data set 'digits': no learner 'gd'; there are"),
        (ROW + 'regulariser = "ewc"\n', "'digits': regulariser 'ewc' goes with learner 'ff' only"),
        (ROW + "set.epoch = 1\n", "row 1 ('EP'), data set 'digits': preset: unknown setting"),
        (
            ROW + 'sleep = "lava"\nset.gate = "sigmoid"\n',
            "row 1 ('EP'), data set 'digits': gate is 'sigmoid', but sleep on 'lava' learns",
        ),
        (ROW + "set.dropout = 0.5\n", "dropout means nothing to learner 'ep'"),
        (ROW + "set.hidden = [2, 3]\n", "learning_rates has 2 value(s)"),
        (ROW + "epochs = 1\nset.epochs = 1\n", "both epochs and set.epochs are given; remove one"),
        (ROW + 'preset = "no.json"\n', "row 1 ('EP'), data set 'digits': cannot read preset file"),
        (ROW + 'joint = true\nsleep = "reference"\n', "sleep is 'reference', but joint training"),
        (ROW + "joint = true\nrehearsal = 0.1\n", "rehearsal is 0.1, but joint training has no"),
        (ROW + '[[row]]\nsleep = "none"\n', 'row 2: it has no name; write name = "..."'),
        (ROW + 'protocol = "sorted"\n', 'protocol is \'sorted\'; give "split" or "permuted" or'),
        (ROW + "blur = -1\n", "row 1 ('EP'): blur is -1; give 0 or more"),
        (ROW + 'class_order = "random"\n', "class_order is 'random'; give \"label\" or"),
        (ROW + "tasks = 5\nclasses_per_task = 3\n", "'digits': tasks is 5 and classes_per_task 3"),
        (ROW + 'learner = "sg"\nsleep = "reference"\n', "learner 'sg' does not sleep"),
        (ROW + ROW, "row 2 ('EP'): another row has the same name; give each its own"),
    ],
)
def test_mistakes_are_named_with_their_row(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(JobError) as refused:
        read(tmp_path, text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('sleep = "deep"\n', "row 'EP', data set 'digits': sleep 'deep' is not available: no b"),
        ('set.dynamics = "fast"\n', "row 'EP', data set 'digits': "),
        ("pool = 3\n", "row 'EP', data set 'digits': data set 'digits': images of 8 x 8 pixels"),
        ("tasks = 3\n", "row 'EP', data set 'digits': tasks is 3, but the classes"),
    ],
)
def test_what_only_a_network_shows_is_refused_before_it_runs(
    text: str, message: str, tmp_path: Path
) -> None:
    table = read(tmp_path, ROW + text)
    with pytest.raises(JobError) as refused:
        prepare(table)
    assert message in str(refused.value)


# --- the table -------------------------------------------------------------------------------


def result(seed: int, accuracy: float, forgetting: float | None) -> SeedResult:
    return SeedResult(
        seed=seed,
        final_accuracy=accuracy,
        accuracy_matrix=((accuracy, accuracy),),
        per_class=(accuracy,),
        confusion_before=((1,),),
        confusion_after=((1,),),
        sleep=(),
        images_trained=(1,),
        forgetting=forgetting,
        backward_transfer=None if forgetting is None else -forgetting,
    )


GROUPS = (
    Group("a | b", "digits", (result(0, 0.5, 0.25), result(1, 0.7, 0.35))),
    Group("c", "digits", (result(1, 0.25, None),), ((0, "ValueError: no"),)),
    Group("d", "mnist", (), ((0, "x"), (1, "y"))),
)


def test_lines_show_mean_sample_deviation_and_n() -> None:
    # Of 0.5 and 0.7: mean 0.6, sample deviation sqrt(2 · 0.1² / (2 − 1)) = 0.1414.
    assert lines(GROUPS) == [
        ["a | b", "digits", "60.0 ± 14.1", "2", "30.0", "-30.0", ""],
        ["c", "digits", "25.0", "1", "–", "–", "1"],
        ["d", "mnist", "–", "0", "–", "–", "2"],
    ]
    assert failures(GROUPS) == [
        "Failed: c, digits, seed 0: ValueError: no",
        "Failed: d, mnist, seed 0: x",
        "Failed: d, mnist, seed 1: y",
    ]


def test_forms_of_the_table(tmp_path: Path) -> None:
    table = replace(read(tmp_path, ROW), title="Title", evaluate_on="validation")
    text = markdown(table, GROUPS).splitlines()
    assert text[0] == "# Title"
    assert text[3] == "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    assert text[4] == "| a \\| b | digits | 60.0 ± 14.1 | 2 | 30.0 | -30.0 |  |"
    assert "Per cent of the validation images" in text[8]
    assert text[-1] == "- Failed: d, mnist, seed 1: y"
    rows = list(csv.DictReader(io.StringIO(comma_separated(GROUPS))))
    assert [row["row"] for row in rows] == ["a | b", "c", "d"]
    assert float(rows[0]["mean"]) == pytest.approx(0.6)
    assert float(rows[0]["sd"]) == pytest.approx(0.02**0.5)
    assert [(row["sd"], row["n"], row["failed"]) for row in rows[1:]] == [
        ("", "1", "1"),
        ("", "0", "2"),
    ]
    found = json.loads(json.dumps(metrics(table, GROUPS), allow_nan=False))
    assert found["evaluated_on"] == "validation"
    assert [group["n"] for group in found["groups"]] == [2, 1, 0]
    assert found["groups"][0]["seeds"][1]["final_accuracy"] == 0.7
    assert found["groups"][1]["failed"] == [{"seed": 0, "error": "ValueError: no"}]
    assert found["groups"][0].keys() == found["groups"][2].keys()
