"""The test of the tests: bugs put in on purpose, and the suite that must notice each of them.

``make mutants`` applies one after another to a copy of the checkout. A suite that passes although it must fail does
not see any more what it was written for. Whoever moves code that a mutant changes anchors the mutant anew in
``table.py``: a unit test says that it does not apply any more.
"""
