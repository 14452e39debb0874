/** From a block's HTML to nodes that are safe to show. */
import DOMPurify, { type Config } from "dompurify"
import { sentences } from "../../i18n/catalogue.ts"
import { onDemand } from "./onDemand.ts"
import { note } from "./sentences.ts"

export const highlighter = onDemand(async () => (await import("highlight.js/lib/common")).default)

/** Attributes that our own rules write. HTML in a note is text, so that a note cannot write them itself. */
const OWN = ["data-mermaid", "data-embed", "data-task", "data-picture", "data-language"]

const CONFIG: Config & { RETURN_DOM_FRAGMENT: true } = {
  USE_PROFILES: { html: true, mathMl: true },
  ALLOW_DATA_ATTR: false,
  ADD_ATTR: [...OWN, "target"],
  FORBID_TAGS: [
    "style",
    "form",
    "button",
    "textarea",
    "select",
    "option",
    "video",
    "audio",
    "source",
    "picture",
    "map",
  ],
  FORBID_ATTR: ["style", "name", "srcset", "background", "poster", "usemap"],
  SANITIZE_NAMED_PROPS: true,
  RETURN_DOM_FRAGMENT: true,
}

const OUTSIDE = "noopener noreferrer"

function dressLink(link: HTMLAnchorElement): void {
  const address = link.getAttribute("href") ?? ""
  if (address.startsWith("#")) return
  if (new URL(address, location.href).origin === location.origin) return
  if (link.dataset.picture !== undefined) {
    const why = document.createElement("small")
    why.textContent = sentences(note).pictureElsewhere(link.host)
    link.append(why)
  }
  link.target = "_blank"
  link.rel = OUTSIDE
}

function dressCode(pre: HTMLPreElement): void {
  const code = pre.firstElementChild
  const language = pre.dataset.language
  if (!code || !language) return
  const loaded = highlighter.get()
  if (!loaded?.getLanguage(language)) return
  // highlight.js escapes what it is given and adds spans with classes.
  code.innerHTML = loaded.highlight(code.textContent ?? "", { language, ignoreIllegals: true }).value
}

/** An input that is no box of a task list cannot be: notes have no forms. */
function dressInput(input: HTMLInputElement): void {
  if (input.type !== "checkbox" || input.dataset.task === undefined) input.remove()
}

/** The nodes of *html*, without anything that runs, fetches, or reaches out of the note. */
export function safeNodes(html: string): DocumentFragment {
  const nodes = DOMPurify.sanitize(html, CONFIG)
  for (const link of nodes.querySelectorAll("a")) dressLink(link)
  for (const pre of nodes.querySelectorAll("pre")) dressCode(pre)
  for (const input of nodes.querySelectorAll("input")) dressInput(input)
  for (const picture of nodes.querySelectorAll("img")) {
    if (!/^data:image\//i.test(picture.getAttribute("src") ?? "")) picture.remove()
  }
  return nodes
}
