/**
 * Three-way merges of what two people made of the same diagram. Pure: no editor, no server.
 *
 * A scene is merged by element: each counts as changed by those whose stamp differs from the baseline's. What one side
 * removed goes, unless the other changed it meanwhile: then it stays, since a person can remove it again and not guess it.
 */
import { diff3Merge } from "node-diff3"
import type { Content, Scene } from "../editors/editor.ts"

/** The content that both sides began with, as far as a merge needs it: small enough to be kept with each draft. */
export type Baseline = {
  title: string
  note: string | null
  /** Each element's stamp, or null where the diagram had no scene. */
  stamps: Record<string, string> | null
  appState: Scene
}

export type Changes = Content & { title?: string }
export type Whole = { title: string; canvas_data: Scene | null; note_content: string | null }

export type Element = { id: string } & Scene

/** An element that both sides changed. A side that is null removed it. *taken* says whose stands in the merged scene. */
export type Overlap = { id: string; mine: Element | null; theirs: Element | null; taken: "mine" | "theirs" }

/** Two texts that do not fit together: a person decides. */
export type TextConflict = { base: string; mine: string; theirs: string }

export type Merged = {
  content: Whole
  /** False if *content* is theirs: then there is nothing to send. */
  differs: boolean
  overlaps: Overlap[]
  text: TextConflict | null
}

const UNTOLD = new Set(["version", "versionNonce", "updated", "index", "boundElements"])

function isElement(value: unknown): value is Element {
  return typeof value === "object" && value !== null && "id" in value && typeof value.id === "string"
}

/** The elements of a scene that are not deleted; none where it is damaged. */
export function elementsOf(scene: Scene | null | undefined): Element[] {
  const elements = scene?.elements
  return Array.isArray(elements) ? elements.filter(isElement).filter((element) => element.isDeleted !== true) : []
}

/** Differs whenever an element was changed. */
function stamp(element: Element): string {
  return element.version === undefined ? JSON.stringify(element) : `${element.version}:${element.versionNonce}`
}

export function baselineOf({ title, canvas_data, note_content }: Whole): Baseline {
  const stamps = canvas_data && Object.fromEntries(elementsOf(canvas_data).map((each) => [each.id, stamp(each)]))
  return { title, note: note_content, stamps, appState: objectOf(canvas_data?.appState) }
}

function objectOf(value: unknown): Scene {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {}
}

/** What a person sees of an element, without what the editor counts for itself. */
function visible(element: Element): string {
  const entries = Object.entries(element).filter(([name]) => !UNTOLD.has(name))
  return JSON.stringify(entries.sort(([one], [other]) => (one < other ? -1 : 1)))
}

export function looksAlike(one: Element, other: Element): boolean {
  return stamp(one) === stamp(other) || visible(one) === visible(other)
}

/** Excalidraw's rule: the higher version, and of equal ones the lower nonce, so that each side decides alike. */
function newer(mine: Element, theirs: Element): "mine" | "theirs" {
  const [one, other] = [Number(mine.version), Number(theirs.version)]
  if (one !== other) return one > other ? "mine" : "theirs"
  return Number(mine.versionNonce) <= Number(theirs.versionNonce) ? "mine" : "theirs"
}

type Bound = { id: string }

/** Both sides may have tied an arrow to the same shape: both arrows stay tied. */
function withBoundOf(taken: Element, other: Element): Element {
  const own: Bound[] = Array.isArray(taken.boundElements) ? taken.boundElements : []
  const others: Bound[] = Array.isArray(other.boundElements) ? other.boundElements : []
  const ids = new Set(own.map((each) => each.id))
  const missing = others.filter((each) => !ids.has(each.id))
  return missing.length === 0 ? taken : { ...taken, boundElements: [...own, ...missing] }
}

type Chosen = { element: Element | null; overlap: Overlap | null }

function oneSided(before: string | undefined, element: Element, side: "mine" | "theirs"): Chosen {
  if (before === undefined) return { element, overlap: null } // added
  if (before === stamp(element)) return { element: null, overlap: null } // removed by the other side
  const overlap = { id: element.id, mine: null, theirs: null, taken: side, [side]: element }
  return { element, overlap }
}

function choose(before: string | undefined, mine: Element | undefined, theirs: Element | undefined): Chosen {
  if (!mine && !theirs) return { element: null, overlap: null }
  if (!theirs) return mine ? oneSided(before, mine, "mine") : { element: null, overlap: null }
  if (!mine) return oneSided(before, theirs, "theirs")
  if (before === stamp(theirs)) return { element: mine, overlap: null }
  if (before === stamp(mine)) return { element: theirs, overlap: null }
  const taken = newer(mine, theirs)
  const element = taken === "mine" ? withBoundOf(mine, theirs) : withBoundOf(theirs, mine)
  return { element, overlap: looksAlike(mine, theirs) ? null : { id: mine.id, mine, theirs, taken } }
}

/** By the fractional index that each element carries; where one lacks it, mine in their order and then theirs. */
function inOrder(elements: Element[]): Element[] {
  if (elements.some((element) => typeof element.index !== "string")) return elements
  const key = (element: Element) => String(element.index)
  return elements.sort((one, other) =>
    key(one) === key(other) ? (one.id < other.id ? -1 : 1) : key(one) < key(other) ? -1 : 1,
  )
}

/** Three-way by name: mine where I changed it, else theirs. */
function mergeFields(base: Scene, mine: Scene, theirs: Scene): Scene {
  const changed = Object.entries(mine).filter(([name, value]) => JSON.stringify(base[name]) !== JSON.stringify(value))
  return { ...theirs, ...Object.fromEntries(changed) }
}

export function mergeScenes(base: Baseline, mine: Scene, theirs: Scene): { scene: Scene; overlaps: Overlap[] } {
  const ours = new Map(elementsOf(mine).map((each) => [each.id, each]))
  const others = new Map(elementsOf(theirs).map((each) => [each.id, each]))
  const chosen = [...new Set([...ours.keys(), ...others.keys()])].map((id) =>
    choose(base.stamps?.[id], ours.get(id), others.get(id)),
  )
  const elements = inOrder(chosen.flatMap(({ element }) => element ?? []))
  const files = { ...objectOf(theirs.files), ...objectOf(mine.files) }
  const appState = mergeFields(base.appState, objectOf(mine.appState), objectOf(theirs.appState))
  return { scene: { ...theirs, elements, appState, files }, overlaps: chosen.flatMap(({ overlap }) => overlap ?? []) }
}

/** By line; null where both changed the same lines. */
export function mergeTexts({ base, mine, theirs }: TextConflict): string | null {
  if (mine === theirs || theirs === base) return mine
  if (mine === base) return theirs
  const lines = (text: string) => text.split("\n")
  const merged: string[] = []
  for (const region of diff3Merge(lines(mine), lines(base), lines(theirs), { excludeFalseConflicts: true })) {
    if (!region.ok) return null
    merged.push(...region.ok)
  }
  return merged.join("\n")
}

export function sameScene(one: Scene | null, other: Scene | null): boolean {
  const [ours, others] = [elementsOf(one), elementsOf(other)]
  const stamps = new Map(others.map((each) => [each.id, stamp(each)]))
  const alike = ours.length === others.length && ours.every((each) => stamps.get(each.id) === stamp(each))
  return alike && JSON.stringify(objectOf(one?.appState)) === JSON.stringify(objectOf(other?.appState))
}

function mergeCanvas(base: Baseline, mine: Changes, theirs: Whole): { scene: Scene | null; overlaps: Overlap[] } {
  if (mine.canvas_data === undefined) return { scene: theirs.canvas_data, overlaps: [] }
  if (!mine.canvas_data || !theirs.canvas_data) return { scene: mine.canvas_data, overlaps: [] }
  return mergeScenes(base, mine.canvas_data, theirs.canvas_data)
}

/** *mine* on top of *base*, and *theirs* on top of it as well. A title that both changed becomes mine. */
export function merge(base: Baseline, mine: Changes, theirs: Whole): Merged {
  const title = mine.title !== undefined && mine.title !== base.title ? mine.title : theirs.title
  const { scene, overlaps } = mergeCanvas(base, mine, theirs)
  const texts = { base: base.note ?? "", mine: mine.note_content ?? "", theirs: theirs.note_content ?? "" }
  const note = mine.note_content === undefined ? theirs.note_content : mergeTexts(texts)
  const text = mine.note_content !== undefined && note === null ? texts : null
  const content = { title, canvas_data: scene, note_content: text ? texts.mine : note }
  const differs =
    title !== theirs.title ||
    (content.note_content ?? "") !== texts.theirs ||
    (scene !== theirs.canvas_data && !sameScene(scene, theirs.canvas_data))
  return { content, differs, overlaps, text }
}
