import { expect, test } from "vitest"
import { sidesOf } from "./sides.ts"

test("the sides differ only where both changed the same lines", () => {
  const base = "title\n\none\ntwo\nthree"
  const mine = "Title\n\none\nTWO\nthree"
  const theirs = "title\n\none\ntwo!\nthree\nfour"
  expect(sidesOf({ base, mine, theirs })).toEqual({
    mine: "Title\n\none\nTWO\nthree\nfour",
    theirs: "Title\n\none\ntwo!\nthree\nfour",
  })
})

test("what one side removed and the other changed is left to decide, and nothing of it is lost", () => {
  const { mine, theirs } = sidesOf({ base: "a\nb\nc", mine: "a\nc", theirs: "a\nB\nc" })
  expect([mine, theirs]).toEqual(["a\nc", "a\nB\nc"])
})
