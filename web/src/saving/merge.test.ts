import { expect, test } from "vitest"
import { baselineOf, type Element, elementsOf, merge, mergeScenes, mergeTexts } from "./merge.ts"

function element(id: string, version = 1, more: Record<string, unknown> = {}): Element {
  return { id, version, versionNonce: version * 100, index: `a${id}`, x: 0, isDeleted: false, ...more }
}

function scene(...elements: Element[]) {
  return { type: "excalidraw", elements, appState: {}, files: {} }
}

const start = [element("1"), element("2")]
const base = baselineOf({ title: "Plan", canvas_data: scene(...start), note_content: null })

function merged(mine: Element[], theirs: Element[]) {
  const { scene: result, overlaps } = mergeScenes(base, scene(...mine), scene(...theirs))
  return { ids: elementsOf(result).map((each) => each.id), elements: elementsOf(result), overlaps }
}

test("what each side added, changed and removed is in the merged scene", () => {
  const mine = [element("1", 2, { x: 5 }), element("2"), element("3")]
  const theirs = [element("1"), element("4")]
  const { ids, elements, overlaps } = merged(mine, theirs)
  expect(ids).toEqual(["1", "3", "4"])
  expect(elements[0]?.x).toBe(5)
  expect(overlaps).toEqual([])
})

test("an element that one side removed and the other changed stays, and is reported", () => {
  const { ids, overlaps } = merged([element("1")], [element("1"), element("2", 2)])
  expect(ids).toEqual(["1", "2"])
  expect(overlaps).toMatchObject([{ id: "2", mine: null, taken: "theirs" }])
})

test("of an element that both changed the higher version stands, and both are reported", () => {
  const { elements, overlaps } = merged(
    [element("1", 2, { x: 1 }), element("2")],
    [element("1", 3, { x: 2 }), element("2")],
  )
  expect(elements[0]?.x).toBe(2)
  expect(overlaps).toMatchObject([{ id: "1", taken: "theirs", mine: { x: 1 }, theirs: { x: 2 } }])
})

test("arrows that both tied to the same shape both stay tied, and that is nothing to decide", () => {
  const mine = [element("1", 2, { boundElements: [{ id: "mine", type: "arrow" }] }), element("2"), element("mine")]
  const theirs = [
    element("1", 3, { boundElements: [{ id: "theirs", type: "arrow" }] }),
    element("2"),
    element("theirs"),
  ]
  const { elements, overlaps } = merged(mine, theirs)
  expect(elements[0]?.boundElements).toEqual([
    { id: "theirs", type: "arrow" },
    { id: "mine", type: "arrow" },
  ])
  expect(overlaps).toEqual([])
})

test("elements stand in the order of their fractional index", () => {
  const { ids } = merged([...start, element("9", 1, { index: "a15" })], start)
  expect(ids).toEqual(["1", "9", "2"])
})

test("images of both sides and what we do not know of a scene are kept", () => {
  const mine = { ...scene(), files: { one: {} }, appState: { viewBackgroundColor: "#fff" } }
  const theirs = { ...scene(), files: { other: {} }, appState: { gridSize: 20 }, plugin: { kept: true } }
  expect(mergeScenes(base, mine, theirs).scene).toMatchObject({
    files: { one: {}, other: {} },
    appState: { viewBackgroundColor: "#fff", gridSize: 20 },
    plugin: { kept: true },
  })
})

test("texts merge by line, and the same change by both is no conflict", () => {
  expect(mergeTexts({ base: "a\nb\nc", mine: "A\nb\nc", theirs: "a\nb\nC" })).toBe("A\nb\nC")
  expect(mergeTexts({ base: "a\nb", mine: "A\nb", theirs: "A\nb" })).toBe("A\nb")
  expect(mergeTexts({ base: "a\nb", mine: "x\nb", theirs: "y\nb" })).toBeNull()
})

test("a merge that ends at the server's content leaves nothing to send", () => {
  const theirs = { title: "Plan", canvas_data: scene(...start, element("3")), note_content: null }
  const { differs, content } = merge(base, { canvas_data: scene(...start) }, theirs)
  expect(differs).toBe(false)
  expect(elementsOf(content.canvas_data)).toHaveLength(3)
})
