/**
 * The page's side of the Mermaid frame: one frame, one request at a time. A frame that does not answer in time is thrown
 * away with whatever runs in it; the next request gets a new one.
 */
import {
  type Drawing,
  type Fault,
  type FrameAnswer,
  type FrameRequest,
  fault,
  MAX_SOURCE_CHARACTERS,
  type Theme,
} from "./protocol.ts"

export class DrawingFailed extends Error {
  readonly fault: Fault
  constructor(found: Fault) {
    super(found.message || found.kind)
    this.fault = found
  }
}

type Question = Omit<FrameRequest & { what: "draw" }, "id"> | Omit<FrameRequest & { what: "convert" }, "id">
type Job = { question: Question; settle: (answer: FrameAnswer) => void; fail: (fault: Fault) => void }

/** Milliseconds, on the clock. Loading may mean a slow network; drawing is computing only. */
export const LIMITS = { loading: 30_000, drawing: 20_000 }

const waiting: Job[] = []
let current: Job | null = null
let frame: HTMLIFrameElement | null = null
let ready = false
let number = 0
let timer = 0

function allow(milliseconds: number, kind: "too-slow" | "unavailable"): void {
  clearTimeout(timer)
  timer = window.setTimeout(() => {
    discard()
    end((job) => job.fail(fault(kind)))
  }, milliseconds)
}

function end(how: (job: Job) => void): void {
  clearTimeout(timer)
  const job = current
  current = null
  if (job) how(job)
  next()
}

function discard(): void {
  frame?.remove()
  frame = null
  ready = false
}

function create(): HTMLIFrameElement {
  const made = document.createElement("iframe")
  made.src = "/mermaid-frame.html"
  made.setAttribute("sandbox", "allow-scripts") // without allow-same-origin: no cookie, no API, no storage
  made.setAttribute("aria-hidden", "true")
  made.tabIndex = -1
  made.title = "Mermaid"
  // Beside the screen: in what is not displayed at all, text has no size, and Mermaid's layout is NaN.
  Object.assign(made.style, {
    position: "fixed",
    left: "-10000px",
    top: "0",
    width: "1200px",
    height: "800px",
    border: "0",
  })
  made.dataset.print = "never"
  document.body.append(made)
  return made
}

function ask(): void {
  if (!current || !ready) return
  number += 1
  frame?.contentWindow?.postMessage({ id: number, ...current.question }, "*") // an opaque origin has no name
  allow(LIMITS.loading, "unavailable")
}

function next(): void {
  if (current) return
  current = waiting.shift() ?? null
  if (!current) return
  frame ??= create()
  if (ready) ask()
  else allow(LIMITS.loading, "unavailable")
}

function hear(event: MessageEvent<FrameAnswer>): void {
  if (!frame || event.source !== frame.contentWindow || event.origin !== "null") return
  const answer = event.data
  if (answer.what === "ready") {
    ready = true
    ask()
  } else if (answer.id !== number) {
    return
  } else if (answer.what === "drawing") {
    allow(LIMITS.drawing, "too-slow")
  } else if (answer.what === "failed") {
    end((job) => job.fail(answer.fault))
  } else {
    end((job) => job.settle(answer))
  }
}

let listening = false
function request(question: Question): Promise<FrameAnswer> {
  if (!listening) addEventListener("message", hear)
  listening = true
  return new Promise((settle, reject) => {
    waiting.push({ question, settle, fail: (found) => reject(new DrawingFailed(found)) })
    next()
  })
}

// Drawn again and again while somebody types: in a note that has several diagrams, only one of them changes. What failed is
// kept as well, so that a diagram that takes too long is not tried twice.
const KEPT = 40
const kept = new Map<string, Promise<Drawing>>()

function keep(key: string, drawing: Promise<Drawing>): void {
  kept.set(key, drawing)
  const oldest = kept.size > KEPT ? kept.keys().next().value : undefined
  if (oldest !== undefined) kept.delete(oldest)
  drawing.catch((error: unknown) => {
    if (error instanceof DrawingFailed && error.fault.kind === "unavailable") kept.delete(key)
  })
}

/** The picture of *text*. Rejects with {@link DrawingFailed}. */
export function draw(text: string, theme: Theme): Promise<Drawing> {
  const key = `${theme}\n${text}`
  const found = kept.get(key)
  if (found) return found
  const drawing =
    text.length > MAX_SOURCE_CHARACTERS
      ? Promise.reject(new DrawingFailed(fault("too-large")))
      : request({ what: "draw", text, theme }).then(drawn)
  keep(key, drawing)
  return drawing
}

function drawn(answer: FrameAnswer): Drawing {
  if (answer.what !== "drawn") throw new DrawingFailed(fault("other"))
  const { svg, width, height, type, title, description } = answer.drawing
  return {
    svg: String(svg),
    width: Number(width),
    height: Number(height),
    type: String(type),
    title: String(title),
    description: String(description),
  }
}

/** The elements for a canvas that *text* becomes, in Excalidraw's short form. Rejects with {@link DrawingFailed}. */
export async function convert(
  text: string,
): Promise<{ elements: unknown[]; files: Record<string, unknown> | undefined }> {
  const answer = await request({ what: "convert", text })
  if (answer.what !== "converted" || !Array.isArray(answer.elements)) throw new DrawingFailed(fault("other"))
  return { elements: answer.elements, files: answer.files }
}
