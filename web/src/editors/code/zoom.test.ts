import { expect, test } from "vitest"
import { fitted, zoomed } from "./zoom.ts"

const box = { width: 800, height: 600 }

test("a small picture is shown as large as it is, in the middle", () => {
  expect(fitted({ width: 200, height: 100 }, box)).toEqual({ scale: 1, x: 300, y: 250 })
})

test("a large picture is made to fit, whichever side is the longer", () => {
  expect(fitted({ width: 7520, height: 100 }, box)).toEqual({ scale: 0.1, x: 24, y: 295 })
  expect(fitted({ width: 100, height: 5520 }, box).scale).toBe(0.1)
})

test("zooming leaves what is under the pointer there, within the limits", () => {
  const before = { scale: 1, x: 10, y: 20 }
  const after = zoomed(before, 2, 110, 220)
  expect(after).toEqual({ scale: 2, x: -90, y: -180 })
  expect(zoomed(before, 1000, 0, 0).scale).toBe(8)
  expect(zoomed(before, 0, 0, 0).scale).toBe(0.05)
})
