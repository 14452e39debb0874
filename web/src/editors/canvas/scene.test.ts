import { expect, test } from "vitest"
import { damageOf, sceneOf } from "./scene.ts"

const shape = { id: "one", type: "rectangle", x: 0, y: 0 }

test("a scene that is empty or whole is opened", () => {
  expect(damageOf(null)).toBeNull()
  expect(damageOf({})).toBeNull()
  expect(damageOf({ elements: [shape], files: {} })).toBeNull()
})

test("a scene of which the editor would drop something is not opened", () => {
  expect(damageOf({ elements: "none" })).toContain("not a list")
  expect(damageOf({ elements: [shape, null] })).toContain("elements[1]")
  expect(damageOf({ elements: [{ ...shape, type: "hologram" }] })).toContain("hologram")
  expect(damageOf({ elements: [{ ...shape, x: "left" }] })).toContain("left")
  expect(damageOf({ elements: [shape, shape] })).toContain("twice")
})

test("selection and scroll are not content; what we do not know is kept; images that are not shown go", () => {
  const state = { viewBackgroundColor: "#fff", scrollX: 10, selectedElementIds: { one: true } }
  const files = { shown: { id: "shown" }, gone: { id: "gone" } }
  const before = { plugin: 1, appState: { kept: true, viewBackgroundColor: "#000" } }
  const image = { ...shape, type: "image", fileId: "shown" }
  const scene = sceneOf({ elements: [image], state, files }, before)
  expect(scene).toEqual({
    type: "excalidraw",
    version: 2,
    plugin: 1,
    elements: [image],
    appState: { kept: true, viewBackgroundColor: "#fff" },
    files: { shown: { id: "shown" } },
  })
})

test("a saved scene does not follow the editor, which changes elements in place", () => {
  const element = { ...shape }
  const scene = sceneOf({ elements: [element], state: {}, files: {} }, {})
  element.x = 99
  expect(scene.elements).toEqual([shape])
})
