"""Log records are counted by level and logger, and logging works as without monagent."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from monagent.integrations import logging as integration
from tests.runtime.programs import program


def test_records_that_are_logged_count_by_level_and_logger(tmp_path: Path) -> None:
    """Below the level, filtered or disabled: not logged. Named levels have names, others none."""
    text = """
        import logging
        logging.addLevelName(25, "NOTICE")
        logging.getLogger().setLevel(logging.INFO)
        logger = logging.getLogger("shop.cart")
        logger.debug("below the level")
        logger.info("1"); logger.info("2"); logger.error("3")
        logger.log(25, "4"); logger.log(37, "5")
        refusing = logging.getLogger("refusing")
        refusing.addFilter(lambda record: False)
        refusing.error("filtered")
        off = logging.getLogger("off")
        off.disabled = True
        off.error("disabled")
        try: 1 / 0
        except ZeroDivisionError: logging.exception("root")
    """
    counted = program(text, tmp_path).counted

    assert counted.by("log.messages", "logger") == {"shop.cart": 5, "root": 1}
    assert counted.by("log.messages", "level", logger="shop.cart") == {
        "info": 2,
        "error": 1,
        "notice": 1,
        "_OTHER": 1,
    }


def test_loggers_without_end_fold_into_one_series(tmp_path: Path) -> None:
    """A logger for each connection: series are bounded, the sum is exact."""
    text = """
        import logging
        logging.getLogger().addHandler(logging.NullHandler())
        for number in range(5000):
            logging.getLogger(f"connection-{number}").warning("closed")
    """
    counted = program(text, tmp_path).counted

    assert counted.total("log.messages") == 5000
    assert len([key for key in counted.series if key[0] == "log.messages"]) == 2000


def test_a_record_that_another_process_hands_on_counts_where_it_was_made(tmp_path: Path) -> None:
    """As in the cookbook: one process logs into a queue, another hands on what comes out of it."""
    text = """
        import logging, logging.handlers, multiprocessing
        logging.getLogger().addHandler(logging.NullHandler())
        def work(queue):
            logger = logging.getLogger("worker")
            logger.addHandler(logging.handlers.QueueHandler(queue))
            logger.error("done")
            queue.put(None)
        forking = multiprocessing.get_context("fork")
        queue = forking.Queue()
        worker = forking.Process(target=work, args=(queue,))
        worker.start()
        while (record := queue.get()) is not None:
            logging.getLogger(record.name).handle(record)
        worker.join()
        logging.logProcesses = False
        logging.getLogger("nameless").error("without a process")
        logging.getLogger("made").handle(logging.makeLogRecord({"levelno": 40, "name": "made"}))
    """
    counted = program(text, tmp_path).counted

    assert counted.by("log.messages", "logger") == {"worker": 1, "nameless": 1, "made": 1}


def test_logging_works_as_before(tmp_path: Path) -> None:
    """Handlers, levels, the last resort, caller's names and line numbers: as without monagent."""
    text = """
        import logging, sys
        root = logging.getLogger()
        print(root.handlers, root.level, logging.getLogger("new").handlers, root.hasHandlers())
        logging.getLogger("new").warning("by the last resort")
        told = "%(levelname)s %(funcName)s %(lineno)d %(message)s"
        logging.basicConfig(stream=sys.stdout, format=told)
        def caller(): logging.getLogger("a.b").warning("here", stack_info=True, stacklevel=1)
        caller()
        class Own(logging.Logger):
            def handle(self, record):
                print("own", record.msg)
                super().handle(record)
        logging.setLoggerClass(Own)
        logging.getLogger("own").error("through")
    """
    plain = program(text, tmp_path, adopted=False)
    watched = program(text, tmp_path)

    assert (plain.code, plain.output, plain.errors) == (
        watched.code,
        watched.output,
        watched.errors,
    )
    assert watched.counted.total("log.messages") == 3


def test_handlers_find_the_line_that_has_logged(tmp_path: Path) -> None:
    """By the frames behind those of logging's file: as loguru's documentation has it for records
    that are handed on to it, and as logging itself tells where a handler has failed."""
    text = """
        import inspect, logging
        class HandsOn(logging.Handler):
            def emit(self, record):
                frame, depth = inspect.currentframe(), 0
                while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
                    frame, depth = frame.f_back, depth + 1
                print(frame.f_globals["__name__"], frame.f_code.co_name, frame.f_lineno)
        logging.basicConfig(handlers=[HandsOn(), logging.StreamHandler()])
        def caller(): logging.getLogger("a.b").warning("%d", "no number")
        caller()
    """
    plain = program(text, tmp_path, adopted=False)
    watched = program(text, tmp_path)

    assert b"__main__ caller " in plain.output and b"Call stack:" in plain.errors
    assert (watched.output, watched.errors) == (plain.output, plain.errors)
    assert watched.counted.total("log.messages") == 1


def test_handlers_and_filters_are_as_deep_in_the_stack_as_without_us(tmp_path: Path) -> None:
    """Some look for who has logged at a fixed depth, as in the recipe that loguru once had; and a
    traceback through one that raises shows the lines of Python's alone."""
    text = """
        import inspect, logging, sys, traceback
        logger = logging.getLogger("shop")
        class Depth(logging.Handler):
            def emit(self, record):
                print(sys._getframe(6).f_code.co_name, [one.function for one in inspect.stack()])
        class Looking(logging.Filter):
            def filter(self, record):
                print(sys._getframe(3).f_code.co_name, [one.function for one in inspect.stack()])
                return True
        class Raising(logging.Handler):
            def emit(self, record): raise KeyError("handler")
        class Refusing(logging.Filter):
            def filter(self, record): raise KeyError("filter")
        def refusing(record): raise KeyError("function")
        def buy(): logger.error("bought")
        def tried():
            try: buy()
            except KeyError: traceback.print_exc(file=sys.stdout)
        logger.addHandler(Depth())
        logger.addFilter(Looking())
        buy()
        logger.handlers[:] = [Raising()]
        tried()
        for one in (Refusing(), refusing):
            logger.filters[:] = [one]
            tried()
    """
    plain = program(text, tmp_path, adopted=False)
    watched = program(text, tmp_path)

    assert b"buy ['emit', 'handle', 'callHandlers'" in plain.output
    assert plain.output.count(b"Traceback") == 3
    assert (watched.output, watched.errors) == (plain.output, plain.errors)
    assert watched.counted.total("log.messages") == 2


def test_loggers_that_handle_or_filter_by_themselves_count(tmp_path: Path) -> None:
    """absl's handles without asking Logger to; a filter may give another record since 3.12."""
    text = """
        import logging, sys
        logging.getLogger().addHandler(logging.NullHandler())
        class Handles(logging.Logger):
            def handle(self, record):
                if self.filter(record): self.callHandlers(record)
        class Filters(logging.Logger):
            def filter(self, record):
                return record.msg != "not this" and super().filter(record)
        for kind in (Handles, Filters):
            logging.setLoggerClass(kind)
            logging.getLogger(kind.__name__).error("this")
            logging.getLogger(kind.__name__).error("not this")
        logging.setLoggerClass(logging.Logger)
        other = logging.makeLogRecord({"levelno": 20, "name": "other"})
        logging.getLogger("one").addFilter(lambda record: other)
        logging.getLogger("one").error("another")
    """
    counted = program(text, tmp_path).counted
    last = {"other": 1} if sys.version_info >= (3, 12) else {"one": 1}

    assert counted.by("log.messages", "logger") == {"Handles": 2, "Filters": 1, **last}


def test_filtering_that_is_not_pythons_own_is_asked() -> None:
    """Of what others have put there we do not know what it does."""

    def theirs(self: object, record: logging.LogRecord) -> bool:
        return "secret" not in str(record.msg)

    counting = integration.counting(theirs)
    logger = logging.getLogger("asked")

    assert [counting(logger, logging.makeLogRecord({"msg": text})) for text in ("a", "secret")] == [
        True,
        False,
    ]


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    """MONAGENT_LOGGING=off leaves the method alone."""
    text = "import logging\nprint(hasattr(logging.Logger.filter, '__wrapped__'))"

    assert program(text, tmp_path, environ={"MONAGENT_LOGGING": "off"}).output == b"False\n"
