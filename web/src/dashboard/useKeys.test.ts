import { expect, test } from "vitest"
import { stepOf } from "./useKeys.ts"

test("arrows move by one, or by a row, and stop at the ends", () => {
  expect(stepOf("ArrowRight", 3, 4, 9)).toBe(4)
  expect(stepOf("ArrowDown", 3, 4, 9)).toBe(7)
  expect(stepOf("ArrowDown", 7, 4, 9)).toBe(9)
  expect(stepOf("ArrowUp", 2, 4, 9)).toBe(0)
  expect(stepOf("End", 0, 4, 9)).toBe(9)
})

test("other keys go nowhere", () => {
  expect(stepOf("x", 3, 4, 9)).toBeNull()
})
