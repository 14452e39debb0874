// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import type { FrameAnswer, FrameRequest } from "./protocol.ts"

const picture = { svg: "<svg/>", width: 1, height: 1, type: "flowchart", title: "", description: "" }

let asked: FrameRequest[] = []
let frames = 0
let frame: HTMLIFrameElement | null = null // not in the document, where happy-dom would try to load it

/** Answers as the frame does, from the window of the newest frame on the page. */
function say(data: FrameAnswer, origin = "null"): void {
  const source = frame?.contentWindow
  const event = new MessageEvent("message", { data, origin })
  Object.defineProperty(event, "source", { value: source })
  window.dispatchEvent(event)
}

async function load() {
  vi.resetModules()
  return await import("./frame.ts")
}

beforeEach(() => {
  vi.useFakeTimers()
  asked = []
  frames = 0
  frame = null
  vi.spyOn(document.body, "append").mockImplementation((...made) => {
    for (const each of made) {
      if (!(each instanceof HTMLIFrameElement)) continue
      frames += 1
      const contentWindow = { postMessage: (request: FrameRequest) => asked.push(request) }
      Object.defineProperty(each, "contentWindow", { value: contentWindow })
      frame = each
      vi.spyOn(each, "remove").mockImplementation(() => {
        frame = null
      })
    }
  })
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const last = () => asked.at(-1)?.id ?? 0

test("one frame answers one request after the other", async () => {
  const { draw } = await load()
  const first = draw("a", "light")
  const second = draw("b", "light")
  expect(asked).toEqual([])
  say({ what: "ready" })
  expect(asked.map((each) => each.text)).toEqual(["a"])
  say({ what: "drawn", id: last(), drawing: picture })
  expect(asked.map((each) => each.text)).toEqual(["a", "b"])
  say({ what: "drawn", id: last(), drawing: { ...picture, width: 2 } })
  expect((await first).width).toBe(1)
  expect((await second).width).toBe(2)
  expect(frames).toBe(1)
})

test("a diagram that takes too long is given up with its frame, and the next one gets another", async () => {
  const { draw, LIMITS } = await load()
  const endless = draw("endless", "light")
  const good = draw("good", "light")
  say({ what: "ready" })
  say({ what: "drawing", id: last() })
  vi.advanceTimersByTime(LIMITS.drawing)
  await expect(endless).rejects.toMatchObject({ fault: { kind: "too-slow" } })
  expect(frames).toBe(2)
  say({ what: "ready" })
  expect(asked.at(-1)?.text).toBe("good")
  say({ what: "drawn", id: last(), drawing: picture })
  expect((await good).type).toBe("flowchart")
  await expect(draw("endless", "light")).rejects.toMatchObject({ fault: { kind: "too-slow" } })
  expect(frames).toBe(2)
})

test("a frame that does not load is said so, and tried again at the next drawing", async () => {
  const { draw, LIMITS } = await load()
  const first = draw("a", "light")
  vi.advanceTimersByTime(LIMITS.loading)
  await expect(first).rejects.toMatchObject({ fault: { kind: "unavailable" } })
  const second = draw("a", "light")
  say({ what: "ready" })
  say({ what: "drawn", id: last(), drawing: picture })
  expect(await second).toEqual(picture)
})

test("what does not come from the frame, or answers something else, is not heard", async () => {
  const { draw } = await load()
  const drawing = draw("a", "light")
  say({ what: "ready" }, "https://example.org")
  expect(asked).toEqual([])
  say({ what: "ready" })
  say({ what: "drawn", id: last() + 1, drawing: { ...picture, width: 9 } })
  say({ what: "drawn", id: last(), drawing: picture })
  expect((await drawing).width).toBe(1)
})

test("a text that was drawn is not asked for again, in the other theme it is", async () => {
  const { draw } = await load()
  const first = draw("a", "light")
  say({ what: "ready" })
  say({ what: "drawn", id: last(), drawing: picture })
  expect(await draw("a", "light")).toBe(await first)
  void draw("a", "dark")
  expect(asked.length).toBe(2)
})

test("a source beyond the limit does not reach the frame", async () => {
  const { draw } = await load()
  await expect(draw("x".repeat(50_001), "light")).rejects.toMatchObject({ fault: { kind: "too-large" } })
  expect(frames).toBe(0)
})
