import { expect, test } from "vitest"
import { matches } from "./match.ts"

test("beginnings of words match, in any order, whatever their case and accents", () => {
  expect(matches("New: Canvas", "can ne")).toBe(true)
  expect(matches("Zum Papierkorb", "PAPIER")).toBe(true)
  expect(matches("Größe ändern", "grosse")).toBe(false)
  expect(matches("Größe ändern", "groß and")).toBe(true)
})

test("what stands in the middle of a word does not match, and nothing matches everything", () => {
  expect(matches("Dark theme", "ark")).toBe(false)
  expect(matches("Dark theme", "  ")).toBe(true)
})
