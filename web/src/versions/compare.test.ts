import { expect, test } from "vitest"
import { elementsOf } from "../saving/merge.ts"
import { differencesOf, overlay } from "./compare.ts"

const element = (id: string, version: number, x = 0) => ({ id, version, versionNonce: version, x, type: "rectangle" })

test("added, removed and changed elements are found; a new version that looks the same is no change", () => {
  const before = { elements: [element("same", 1), element("moved", 1), element("gone", 1), element("touched", 1)] }
  const after = { elements: [element("same", 1), element("moved", 2, 9), element("new", 1), element("touched", 2)] }
  const differences = differencesOf(before, after)
  expect(differences.map(({ kind, element: { id } }) => `${kind} ${id}`)).toEqual([
    "changed moved",
    "added new",
    "removed gone",
  ])
  const shown = elementsOf(overlay(after, differences))
  expect(shown.map(({ id, strokeColor }) => [id, strokeColor])).toEqual([
    ["same", undefined],
    ["moved", "#e8a100"],
    ["new", "#2f9e44"],
    ["touched", undefined],
    ["gone", "#e03131"],
  ])
})
