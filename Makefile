# Two commands, from a clean clone, with nothing before them: `make demo` and `make test`.
# Each makes its own virtual environment in .venv; PYTHON=/path/to/python3.12 chooses the interpreter.

.PHONY: demo test check clean

demo:
	@bash tools/set_up.sh demo
	.venv/bin/rtdenoise demo --output-dir demo-output

test:
	@bash tools/set_up.sh test
	.venv/bin/python -m pytest

# Everything that has to hold before a change is merged.
check:
	bash .ci/run

clean:
	rm -rf .venv build dist demo-output .pytest_cache .ruff_cache .mypy_cache
