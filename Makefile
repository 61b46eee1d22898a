# Two commands, from a clean clone, with nothing before them: `make demo` and `make test`.
# Each makes its own virtual environment in .venv; PYTHON=/path/to/python3.12 chooses the interpreter.

.PHONY: demo test check clean

demo:
	@bash tools/set_up.sh demo
	.venv/bin/rtdenoise demo --output-dir demo-output

# Two at a time what computes, then what waits for real time, then one by one what has to be alone; the last run hears by
# RAISED which errors the others saw. The later ones read no other files: a live stream locks all memory of its process,
# which takes seconds where the libraries of training are in it.
test: export RAISED = $(CURDIR)/.pytest_cache/raised
test:
	@bash tools/set_up.sh test
	@rm -rf "$$RAISED"
	.venv/bin/python -m pytest -m "not live and not alone" --numprocesses 2 --dist loadfile --no-loadscope-reorder
	.venv/bin/python -m pytest -m live --numprocesses 2 --dist loadfile $$(grep -l pytest.mark.live tests/test_*.py)
	.venv/bin/python -m pytest -m alone $$(grep -l pytest.mark.alone tests/test_*.py)

# Everything that has to hold before a change is merged.
check:
	bash .ci/run

clean:
	rm -rf .venv build dist demo-output .pytest_cache .ruff_cache .mypy_cache
