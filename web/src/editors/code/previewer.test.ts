import { beforeEach, expect, test, vi } from "vitest"
import { Previewer } from "./previewer.ts"
import { type Drawing, fault } from "./protocol.ts"

type Asked = { text: string; settle: (drawing: Drawing) => void; fail: (error: unknown) => void }
const asked = vi.hoisted((): Asked[] => [])
const { Failed } = vi.hoisted(() => ({
  Failed: class extends Error {
    fault: unknown
    constructor(found: unknown) {
      super("failed")
      this.fault = found
    }
  },
}))
vi.mock("./frame.ts", () => ({
  DrawingFailed: Failed,
  draw: (text: string) => new Promise((settle, fail) => asked.push({ text, settle, fail })),
}))

const picture = (type: string): Drawing => ({ svg: "", width: 1, height: 1, type, title: "", description: "" })

beforeEach(() => {
  asked.length = 0
  vi.useFakeTimers()
})

async function settled(): Promise<void> {
  await vi.advanceTimersByTimeAsync(1000)
}

test("what is typed while a picture is being drawn is drawn next, and only the newest of it", async () => {
  const previewer = new Previewer("light")
  previewer.open(() => "a")
  previewer.edited(() => "ab")
  await settled()
  previewer.edited(() => "abc")
  await settled()
  expect(asked.map((each) => each.text)).toEqual(["a"])
  asked[0]?.settle(picture("1"))
  await settled()
  expect(asked.map((each) => each.text)).toEqual(["a", "abc"])
})

test("while the source does not parse, the last good picture stays", async () => {
  const previewer = new Previewer("light")
  previewer.open(() => "good")
  asked[0]?.settle(picture("good"))
  await settled()
  previewer.edited(() => "bad")
  await settled()
  asked[1]?.fail(new Failed(fault("syntax")))
  await settled()
  expect(previewer.picture.drawing?.type).toBe("good")
  expect(previewer.picture.fault?.kind).toBe("syntax")
  previewer.edited(() => "good again")
  await settled()
  asked[2]?.settle(picture("new"))
  await settled()
  expect([previewer.picture.drawing?.type, previewer.picture.fault]).toEqual(["new", null])
})

test("an empty source has no picture and no fault", async () => {
  const previewer = new Previewer("light")
  previewer.open(() => " \n")
  await settled()
  expect(previewer.picture).toEqual({ drawing: null, fault: null, waiting: false })
  expect(asked).toEqual([])
})
