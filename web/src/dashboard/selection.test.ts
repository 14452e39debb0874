import { expect, test } from "vitest"
import { all, extend, NOTHING, only, toggle } from "./selection.ts"

const ORDER = ["a", "b", "c", "d", "e"]

test("a range goes from what was selected last to what is selected now, in either direction", () => {
  expect([...extend(toggle(NOTHING, "b"), "d", ORDER).ids]).toEqual(["b", "c", "d"])
  expect([...extend(toggle(NOTHING, "d"), "b", ORDER).ids].sort()).toEqual(["b", "c", "d"])
})

test("without a start a range is the one that is selected", () => {
  expect([...extend(NOTHING, "c", ORDER).ids]).toEqual(["c"])
})

test("selected twice is not selected", () => {
  expect(toggle(toggle(NOTHING, "a"), "a").ids.size).toBe(0)
})

test("what has gone from the list is not selected any more", () => {
  expect([...only(all(ORDER), ["a", "e"]).ids]).toEqual(["a", "e"])
})
