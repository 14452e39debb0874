import "fake-indexeddb/auto"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import type { Content } from "../editors/editor.ts"
import { Drafts, type Sent } from "./drafts.ts"
import { changesOf } from "./edits.ts"
import { baselineOf, type Whole } from "./merge.ts"
import { recover } from "./open.ts"
import { Saver, type Start } from "./saver.ts"
import type { Answer, Diagram, Found, SendOptions, Server } from "./server.ts"

const ID = "0192f000-0000-7000-8000-000000000001"
const ADA = "0192f000-0000-7000-8000-00000000000a"
const BOB = "0192f000-0000-7000-8000-00000000000b"

function diagramOf(whole: Partial<Whole>, revision: number): Diagram {
  return {
    id: ID, title: "Plan", type: "note", owner_id: ADA, team_id: null, folder_id: null, tags: [], version: 1, revision,
    size_bytes: 0, starred: false, permission: "owner", created_at: "", updated_at: "", updated_by: BOB, last_viewed_at: null,
    view_count: 0, comment_count: 0, export_count: 0, collaborator_count: 0, deleted_at: null, thumbnail_url: null,
    canvas_data: null, note_content: null, ...whole,
  } // biome-ignore format: a table
}

type Call = Sent & SendOptions & { answer(answer: Answer): Promise<void> }

/** Answers when the test says so. */
class Scripted implements Server {
  readonly calls: Call[] = []
  readonly reads: ((found: Found) => Promise<void>)[] = []

  save(_: string, sent: Sent, options: SendOptions): Promise<Answer> {
    return new Promise((resolve) => {
      this.calls.push({ ...sent, ...options, answer: (answer) => settled(() => resolve(answer)) })
    })
  }

  current(): Promise<Found> {
    return new Promise((resolve) => {
      this.reads.push((found) => settled(() => resolve(found)))
    })
  }

  last(): Call {
    const call = this.calls.at(-1)
    if (!call) throw new Error("Nothing was sent")
    return call
  }
}

/** Lets the store and promises come to rest; the clock stands. */
async function settled(act: () => void = () => undefined): Promise<void> {
  act()
  for (let turn = 0; turn < 60; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

async function pass(ms: number): Promise<void> {
  vi.advanceTimersByTime(ms)
  await settled()
}

let number = 0
const shown: Content[] = []

function begin(start: Partial<Start> = {}, note = "one\ntwo\nthree") {
  number += 1
  const drafts = start.drafts ?? new Drafts({ account: `account-${number}`, diagram: ID })
  const tab = start.tab ?? "tab"
  const server = new Scripted()
  const whole = { title: "Plan", canvas_data: null, note_content: note }
  const base = { revision: 3, baseline: baselineOf(whole) }
  const saver = new Saver({
    id: ID, tab, drafts, server, whole, base, sent: null, pending: {}, recoveredAt: null, asides: [], random: () => 1, ...start,
  }) // biome-ignore format: a table
  saver.attach({ show: (content) => shown.push(content) })
  return { saver, drafts, server, tab }
}

function note(text: string): () => Content {
  return () => ({ note_content: text })
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] })
  shown.length = 0
})
afterEach(() => vi.useRealTimers())

test("an edit is on this device after 250 ms and on the server after 2 s", async () => {
  const { saver, server, drafts, tab } = begin()
  saver.edit(note("one"))
  expect(saver.state().saving).toBe("dirty")
  await pass(250)
  expect(changesOf((await drafts.read(tab)).latest?.body ?? "{}")).toEqual({ note_content: "one" })
  expect(server.calls).toHaveLength(0)
  await pass(1_750)
  expect(server.last()).toMatchObject({ revision: 3, body: '{"note_content":"one","checkpoint":"auto"}' })
  expect(saver.state().saving).toBe("saving")
  await server.last().answer({ kind: "saved", revision: 4 })
  expect(saver.state()).toMatchObject({ saving: "clean", kept: true })
  expect(await drafts.read(tab)).toEqual({ base: null, sent: null, latest: null })
})

test("an editor that attaches itself again, as at each render, hastens nothing", async () => {
  const { saver, server } = begin()
  saver.edit(note("one"))
  saver.attach(null)
  saver.attach({ show: () => undefined })
  await pass(1_999)
  expect(server.calls).toHaveLength(0)
})

test("somebody who types on is saved after 10 s at most", async () => {
  const { saver, server } = begin()
  for (let second = 0; second < 10; second += 1) {
    saver.edit(note(`typed for ${second} s`))
    await pass(1_000)
  }
  expect(server.calls).toHaveLength(1)
})

test("content over 1 MB waits for 10 s", async () => {
  const { saver, server } = begin()
  const large = "x".repeat(1_100_000)
  saver.edit(note(large))
  await pass(1_000) // its size is known once it was written
  saver.edit(note(large))
  for (let second = 0; second < 9; second += 1) await pass(1_000)
  expect(server.calls).toHaveLength(0)
  await pass(1_000)
  expect(server.calls).toHaveLength(1)
})

test("nothing is sent before the store says that the draft is in it", async () => {
  const { saver, server, drafts } = begin()
  let written = () => undefined
  vi.spyOn(drafts, "seal").mockImplementation(
    () =>
      new Promise((resolve) => {
        written = () => void resolve()
      }),
  )
  saver.edit(note("one"))
  await pass(2_000)
  expect(server.calls).toHaveLength(0)
  await settled(written)
  expect(server.calls).toHaveLength(1)
})

test("an edit while saving is sent after the answer, based on its revision, and one request runs at a time", async () => {
  const { saver, server, drafts, tab } = begin()
  saver.edit(note("one"))
  await pass(2_000)
  saver.edit(note("two"))
  await pass(20_000)
  expect(server.calls).toHaveLength(1)
  expect((await drafts.read(tab)).latest?.body).toContain("two")
  await server.last().answer({ kind: "saved", revision: 4 })
  expect(saver.state().saving).toBe("dirty")
  const { sent, base, latest } = await drafts.read(tab)
  expect([sent, base?.revision, base?.baseline.note]).toEqual([null, 4, "one"])
  expect(latest?.body).toContain("two")
  await pass(2_000)
  expect(server.last()).toMatchObject({ revision: 4, body: expect.stringContaining("two") })
  await server.last().answer({ kind: "saved", revision: 5 })
  expect(saver.state().saving).toBe("clean")
})

test("a lost answer is asked for again with the same key and the same words, whatever was edited meanwhile", async () => {
  const { saver, server } = begin()
  saver.edit(note("one"))
  await pass(2_000)
  const first = server.last()
  await first.answer({ kind: "later", afterMs: 0, reason: "unreachable" })
  expect(saver.state()).toMatchObject({ saving: "offline", why: { kind: "unreachable" }, kept: true })
  saver.edit(note("two"))
  await pass(1_000)
  expect(server.calls).toHaveLength(2)
  expect(server.last()).toMatchObject({ key: first.key, body: first.body, revision: 3 })
  await server.last().answer({ kind: "saved", revision: 4 })
  await pass(2_000)
  expect(server.last()).toMatchObject({ revision: 4, body: expect.stringContaining("two") })
  expect(server.last().key).not.toBe(first.key)
})

test("waits double to 60 s, and Retry-After is honoured", async () => {
  const { saver, server } = begin()
  saver.edit(note("one"))
  await pass(2_000)
  for (const wait of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
    const calls = server.calls.length
    await server.last().answer({ kind: "later", afterMs: 0, reason: "unreachable" })
    await pass(wait - 1)
    expect(server.calls).toHaveLength(calls)
    await pass(1)
    expect(server.calls).toHaveLength(calls + 1)
  }
  await server.last().answer({ kind: "later", afterMs: 90_000, reason: "busy" })
  expect(saver.state().why).toEqual({ kind: "busy" })
  const calls = server.calls.length
  await pass(89_999)
  expect(server.calls).toHaveLength(calls)
  await pass(1)
  expect(server.calls).toHaveLength(calls + 1)
})

test("after a 401 it waits, and goes on with the same draft once somebody has signed in", async () => {
  const { saver, server } = begin()
  saver.edit(note("one"))
  await pass(2_000)
  const first = server.last()
  await first.answer({ kind: "signed-out" })
  expect(saver.state()).toMatchObject({ saving: "offline", why: { kind: "signed-out" } })
  await pass(600_000)
  expect(server.calls).toHaveLength(1)
  saver.retry()
  await settled()
  expect(server.last().key).toBe(first.key)
})

const PROBLEM = { type: "", title: "Too large", detail: "", instance: "", correlation_id: "" }

test("a refused draft stays, and the next edit is sent as a new request", async () => {
  const { saver, server, drafts, tab } = begin()
  saver.edit(note("too large"))
  await pass(2_000)
  const first = server.last()
  await first.answer({ kind: "refused", problem: { ...PROBLEM, status: 413, code: "body_too_large" } })
  expect(saver.state()).toMatchObject({ saving: "refused", why: { problem: { code: "body_too_large" } } })
  expect((await drafts.read(tab)).sent?.key).toBe(first.key)
  saver.edit(note("small"))
  await pass(2_000)
  expect(server.last()).toMatchObject({ revision: 3, body: expect.stringContaining("small") })
  expect(server.last().key).not.toBe(first.key)
})

test("a title in a refused draft is not lost by the edit that follows", async () => {
  const { saver, server } = begin()
  saver.retitle("Other")
  saver.edit(note("too large"))
  await pass(2_000)
  await server.last().answer({ kind: "refused", problem: { ...PROBLEM, status: 422, code: "invalid" } })
  saver.edit(note("small"))
  await pass(2_000)
  expect(changesOf(server.last().body)).toEqual({ title: "Other", note_content: "small" })
})

test("no edit sends again what a person has to decide on: gone, forbidden, in the trash", async () => {
  const { saver, server, drafts, tab } = begin()
  saver.edit(note("one"))
  await pass(2_000)
  await server.last().answer({ kind: "gone" })
  saver.edit(note("two"))
  await pass(60_000)
  expect(server.calls).toHaveLength(1)
  expect(saver.state().saving).toBe("refused")
  expect(saver.now().note_content).toBe("two")
  expect((await drafts.read(tab)).latest?.body).toContain("two")
  await saver.forget()
  expect(saver.state().saving).toBe("clean")
  expect(await drafts.read(tab)).toEqual({ base: null, sent: null, latest: null })
})

test("412: other lines of the same note are merged, shown and sent on top of the other's revision", async () => {
  const { saver, server, drafts, tab } = begin()
  saver.edit(note("ONE\ntwo\nthree"))
  await pass(2_000)
  await server.last().answer({ kind: "stale" })
  await server.reads[0]?.({ kind: "found", diagram: diagramOf({ note_content: "one\ntwo\nTHREE" }, 7) })
  expect(shown.at(-1)?.note_content).toBe("ONE\ntwo\nTHREE")
  expect(server.last()).toMatchObject({ revision: 7, body: expect.stringContaining("ONE\\ntwo\\nTHREE") })
  expect(saver.state().notice).toMatchObject({ kind: "merged", by: BOB })
  await server.last().answer({ kind: "saved", revision: 8 })
  expect(saver.state()).toMatchObject({ saving: "clean", asides: [] })
  expect(await drafts.read(tab)).toEqual({ base: null, sent: null, latest: null })
})

test("412: what is typed while the other's content is fetched is part of the merge", async () => {
  const { saver, server } = begin()
  saver.edit(note("ONE\ntwo\nthree"))
  await pass(2_000)
  await server.last().answer({ kind: "stale" })
  saver.edit(note("ONE!\ntwo\nthree"))
  await server.reads[0]?.({ kind: "found", diagram: diagramOf({ note_content: "one\ntwo\nTHREE" }, 7) })
  expect(shown.at(-1)?.note_content).toBe("ONE!\ntwo\nTHREE")
})

test("412: the same line is for a person to decide; the draft stays until then, and one's own text stays aside", async () => {
  const { saver, server, drafts, tab } = begin()
  saver.edit(note("mine\ntwo\nthree"))
  await pass(2_000)
  const first = server.last()
  await first.answer({ kind: "stale" })
  await server.reads[0]?.({ kind: "found", diagram: diagramOf({ note_content: "theirs\ntwo\nthree" }, 7) })
  expect(saver.state()).toMatchObject({
    saving: "conflict",
    conflict: { mine: "mine\ntwo\nthree", theirs: "theirs\ntwo\nthree" },
  })
  await pass(600_000)
  expect(server.calls).toHaveLength(1)
  expect((await drafts.read(tab)).sent?.key).toBe(first.key)
  await settled(() => void saver.decide("both\ntwo\nthree"))
  expect(server.last()).toMatchObject({ revision: 7, body: expect.stringContaining("both") })
  expect((await drafts.asides()).map((aside) => changesOf(aside.body))).toEqual([{ note_content: "mine\ntwo\nthree" }])
  await server.last().answer({ kind: "saved", revision: 8 })
  expect(saver.state()).toMatchObject({ saving: "clean", conflict: null })
})

test("412 by a change of the title alone: the content goes on, under the other's title", async () => {
  const { saver, server } = begin()
  saver.edit(note("one\nmore"))
  await pass(2_000)
  await server.last().answer({ kind: "stale" })
  await server.reads[0]?.({
    kind: "found",
    diagram: diagramOf({ title: "Renamed", note_content: "one\ntwo\nthree" }, 7),
  })
  expect(changesOf(server.last().body)).toEqual({ note_content: "one\nmore" })
  expect(saver.state().title).toBe("Renamed")
})

test("a store that is full is reported, and sends at once", async () => {
  const { saver, server, drafts } = begin()
  const full = () => Promise.reject(new DOMException("full", "QuotaExceededError"))
  vi.spyOn(drafts, "keep").mockImplementation(full)
  vi.spyOn(drafts, "seal").mockImplementation(full)
  saver.edit(note("one"))
  await pass(250)
  expect(saver.state()).toMatchObject({ saving: "saving", kept: false })
  expect(server.calls).toHaveLength(1)
  await server.last().answer({ kind: "saved", revision: 4 })
  expect(saver.state()).toMatchObject({ saving: "clean", kept: true })
})

test("a store that hangs keeps nothing from being sent", async () => {
  const { saver, server, drafts } = begin()
  vi.spyOn(drafts, "seal").mockImplementation(() => new Promise(() => undefined))
  saver.edit(note("one"))
  await pass(2_000)
  expect(server.calls).toHaveLength(0)
  await pass(5_000)
  expect(server.calls).toHaveLength(1)
  expect(saver.state().kept).toBe(false)
})

test("only the acknowledged draft goes", async () => {
  const { drafts, tab } = begin()
  const base = { revision: 3, baseline: baselineOf({ title: "", canvas_data: null, note_content: null }) }
  await drafts.seal(tab, base, { key: "second", revision: 3, body: "{}", at: 0 })
  await drafts.acknowledge(tab, "first", base)
  expect((await drafts.read(tab)).sent?.key).toBe("second")
})

test("a page that goes sends what is small with keepalive, without waiting for the store", async () => {
  const { saver, server } = begin()
  saver.edit(note("one"))
  saver.leave(true)
  expect(server.calls).toHaveLength(1)
  expect(server.last().keepalive).toBe(true)
})

test("a page that goes sends what is large without keepalive, which a browser would refuse", async () => {
  const { saver, server } = begin()
  saver.edit(note("x".repeat(70_000)))
  saver.leave(true)
  expect(server.last().keepalive).toBe(false)
})

test("a saver that is closed sends what is left once, and leaves the draft if that fails", async () => {
  const { saver, server, drafts, tab } = begin()
  saver.edit(note("one"))
  saver.close()
  await settled()
  await server.last().answer({ kind: "later", afterMs: 0, reason: "unreachable" })
  await saver.done
  expect((await drafts.read(tab)).sent?.body).toContain("one")
  await pass(120_000)
  expect(server.calls).toHaveLength(1)
})

test("what another tab saved is shown while nothing of one's own is unsaved, else merged later", async () => {
  const { saver, server } = begin()
  void saver.refresh(4)
  await settled()
  await server.reads[0]?.({ kind: "found", diagram: diagramOf({ note_content: "from there" }, 4) })
  expect(shown.at(-1)?.note_content).toBe("from there")
  expect(saver.state().saving).toBe("clean")
  void saver.refresh(5)
  saver.edit(note("from there, and here"))
  await server.reads[1]?.({ kind: "found", diagram: diagramOf({ note_content: "from there 2" }, 5) })
  expect(shown).toHaveLength(1)
  await pass(2_000)
  expect(server.last().revision).toBe(4)
})

test("after kill -9 at any step of saving, the edit comes back or is on the server", async () => {
  // Each step: how far the saver came before its tab was gone.
  for (const step of ["kept", "sealed", "answered"]) {
    const { saver, drafts, server, tab } = begin()
    saver.edit(note("mine"))
    await pass(250)
    if (step !== "kept") await pass(1_750)
    if (step === "answered") await server.last().answer({ kind: "saved", revision: 4 })
    const draft = await drafts.read(tab) // all that is left of the tab
    const recovered = recover(diagramOf({ note_content: "one" }, 3), [{ tab, draft }])
    const next = begin({ ...recovered, drafts, tab: "next" })
    await settled()
    if (step === "answered") {
      expect(next.server.calls).toHaveLength(0)
      continue
    }
    expect(next.saver.now().note_content).toBe("mine")
    expect(next.saver.state()).toMatchObject({ saving: "saving", notice: { kind: "recovered" } })
    expect(next.server.last().body).toContain("mine")
    if (step === "sealed") expect(next.server.last().key).toBe(server.last().key)
  }
})

test("drafts of two tabs that ended come back merged; what cannot be merged stays aside", () => {
  const base = {
    revision: 3,
    baseline: baselineOf({ title: "Plan", canvas_data: null, note_content: "one\ntwo\nthree" }),
  }
  const left = (tab: string, text: string, at: number) => ({
    tab,
    draft: { base, sent: null, latest: { body: JSON.stringify({ note_content: text }), at } },
  })
  const diagram = diagramOf({ note_content: "one\ntwo\nthree" }, 3)
  const both = recover(diagram, [left("a", "ONE\ntwo\nthree", 1), left("b", "one\ntwo\nTHREE", 2)])
  expect(both.pending).toEqual({ note_content: "ONE\ntwo\nTHREE" })
  const against = recover(diagram, [left("a", "eins\ntwo\nthree", 1), left("b", "un\ntwo\nthree", 2)])
  expect(against.pending).toEqual({ note_content: "un\ntwo\nthree" })
  expect(against.aside.map((aside) => changesOf(aside.body))).toEqual([{ note_content: "eins\ntwo\nthree" }])
})
