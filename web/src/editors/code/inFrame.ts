/**
 * Runs in the sandboxed frame, whose origin is opaque and whose policy lets it ask for nothing but its own scripts. Mermaid
 * writes style attributes and elements, which the page's policy forbids, and lays out by measuring real elements.
 */
import mermaid from "mermaid"
import { faultOf } from "./lines.ts"
import {
  type Drawing,
  type Fault,
  type FrameAnswer,
  type FrameRequest,
  fault,
  MAX_SOURCE_CHARACTERS,
  MAX_SVG_CHARACTERS,
  type Theme,
} from "./protocol.ts"

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'

const say = (answer: FrameAnswer) => parent.postMessage(answer, "*")

class Refused extends Error {
  readonly fault: Fault
  constructor(found: Fault) {
    super(found.message)
    this.fault = found
  }
}

// At each drawing, since the converter sets a configuration of its own. A diagram's own directives cannot raise the limits.
function configure(theme: Theme): void {
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: "strict",
    suppressErrorRendering: true,
    maxTextSize: MAX_SOURCE_CHARACTERS,
    htmlLabels: false, // text as SVG: what is HTML inside SVG does not survive in other programs
    theme: theme === "dark" ? "dark" : "default",
    fontFamily: FONT,
    deterministicIds: true,
  })
}

/**
 * As an image can show it: well-formed XML, with its size written out (an image of `width="100%"` has none of its own).
 */
function imageOf(svg: string, type: string): Drawing {
  const holder = document.createElement("div")
  holder.innerHTML = svg // what Mermaid has sanitised, in a document whose policy runs no inline script
  const picture = holder.querySelector("svg")
  const { width = 0, height = 0 } = picture?.viewBox.baseVal ?? {}
  if (!picture || !(width > 0 && height > 0)) throw new Error("The diagram is empty")
  picture.setAttribute("width", String(width))
  picture.setAttribute("height", String(height))
  picture.style.maxWidth = ""
  const said = (element: string) => picture.querySelector(`:scope > ${element}`)?.textContent ?? ""
  const title = said("title")
  return { svg: new XMLSerializer().serializeToString(picture), width, height, type, title, description: said("desc") }
}

async function draw(id: number, text: string, theme: Theme): Promise<Drawing> {
  if (text.length > MAX_SOURCE_CHARACTERS) throw new Refused(fault("too-large"))
  configure(theme)
  await mermaid.parse(text)
  say({ what: "drawing", id })
  const { svg, diagramType } = await mermaid.render("picture", text)
  if (svg.length > MAX_SVG_CHARACTERS) throw new Refused(fault("too-large"))
  return imageOf(svg, diagramType)
}

async function answer(request: FrameRequest): Promise<void> {
  const { id, text } = request
  try {
    if (request.what === "draw") {
      say({ what: "drawn", id, drawing: await draw(id, text, request.theme) })
    } else {
      const { parseMermaidToExcalidraw } = await import("@excalidraw/mermaid-to-excalidraw")
      say({ what: "drawing", id })
      const { elements, files } = await parseMermaidToExcalidraw(text)
      say({ what: "converted", id, elements, files })
    }
  } catch (error) {
    say({ what: "failed", id, fault: error instanceof Refused ? error.fault : faultOf(error, text) })
  }
}

addEventListener("message", (event: MessageEvent<FrameRequest>) => {
  if (event.source === parent) void answer(event.data) // the page asks for one thing at a time
})
say({ what: "ready" })
