import { expect, test } from "vitest"
import { addressOf, type Filter, isNarrowed, readFilter } from "./filter.ts"

const PLAIN: Filter = { view: "all", q: "", type: null, tag: "", sort: "updated_at" }

test("what is usual does not stand in the address", () => {
  expect(addressOf(PLAIN)).toBe("/")
  expect(addressOf({ ...PLAIN, view: "recent", sort: "last_viewed_at" })).toBe("/recent")
})

test("a filter can be read from the address that was made of it", () => {
  const filter: Filter = { view: "trash", q: "plan & co", type: "note", tag: "ä/b", sort: "title" }
  const [path = "", query = ""] = addressOf(filter).split("?")
  expect(readFilter(path, query)).toEqual(filter)
})

test("what no filter knows is taken for nothing", () => {
  expect(readFilter("/elsewhere", "type=video&sort=color")).toEqual(PLAIN)
})

test("a filter is narrowed by words, a type or a tag, and not by its order", () => {
  expect(isNarrowed({ ...PLAIN, sort: "title" })).toBe(false)
  expect(isNarrowed({ ...PLAIN, tag: "x" })).toBe(true)
})
