/** What a note looks like. Its diagrams and embeds are components within the blocks. */
import { type MouseEvent, type Ref, useEffect, useImperativeHandle, useLayoutEffect, useRef, useState } from "react"
import { createPortal } from "react-dom"
import { useLocation } from "wouter"
import { useSentences } from "../../i18n/catalogue.ts"
import { Blocks } from "./blocks.ts"
import { EmbedCard } from "./EmbedCard.tsx"
import { MermaidBlock } from "./MermaidBlock.tsx"
import type { Parsed } from "./markdown.ts"
import styles from "./Preview.module.css"
import { highlighter } from "./render.ts"
import { note } from "./sentences.ts"

export type PreviewHandle = { showLine(line: number): void; topLine(): number }

type Props = {
  parsed: Parsed
  /** Not given: boxes cannot be ticked. */
  onTick: ((line: number) => void) | null
  onScroll?: () => void
  ref?: Ref<PreviewHandle>
}

type Slot = { element: HTMLElement; mermaid: string | undefined; embed: string | undefined }

const keys = new WeakMap<HTMLElement, string>()
let made = 0
function keyOf(element: HTMLElement): string {
  const key = keys.get(element) ?? `slot-${++made}`
  keys.set(element, key)
  return key
}

function slotsIn(host: HTMLElement): Slot[] {
  return [...host.querySelectorAll<HTMLElement>("[data-mermaid], [data-embed]")].map((element) => ({
    element,
    mermaid: element.dataset.mermaid && decodeURIComponent(element.dataset.mermaid),
    embed: element.dataset.embed,
  }))
}

function decoded(address: string): string {
  try {
    return decodeURIComponent(address)
  } catch {
    return address
  }
}

/** As GitHub makes it of a heading. */
const slug = (text: string) =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-")

/** Where `#…` leads: a footnote or its place, by the names that DOMPurify gave them, or a heading. */
function targetOf(host: HTMLElement, name: string): Element | undefined {
  const named = [...host.querySelectorAll("[id]")].find((each) => each.id === `user-content-${name}`)
  return (
    named ?? [...host.querySelectorAll("h1, h2, h3, h4, h5, h6")].find((each) => slug(each.textContent ?? "") === name)
  )
}

export function Preview({ parsed, onTick, onScroll, ref }: Props) {
  const said = useSentences(note)
  const scroller = useRef<HTMLDivElement>(null)
  const host = useRef<HTMLElement>(null)
  const blocks = useRef<Blocks>(null)
  const [slots, setSlots] = useState<Slot[]>([])
  const [, navigate] = useLocation()

  useLayoutEffect(() => {
    if (host.current) blocks.current = new Blocks(host.current)
  }, [])
  useLayoutEffect(() => {
    blocks.current?.update(parsed.blocks)
    if (host.current) setSlots(slotsIn(host.current))
  }, [parsed])
  useEffect(() => highlighter.subscribe(() => blocks.current?.refresh()), [])

  useImperativeHandle(ref, () => ({
    showLine(line) {
      if (scroller.current) scroller.current.scrollTop = blocks.current?.offsetOf(line) ?? 0
    },
    topLine: () => blocks.current?.lineAt(scroller.current?.scrollTop ?? 0) ?? 0,
  }))

  function tick(box: HTMLInputElement): void {
    const line = blocks.current?.lineOf(box)
    if (onTick && typeof line === "number") onTick(line + Number(box.dataset.task))
  }

  /** True if the link leads somewhere within the note or the page, and that was done. */
  function follow(link: HTMLAnchorElement): boolean {
    const address = link.getAttribute("href") ?? ""
    const within = address.startsWith("#")
    if (within && host.current) targetOf(host.current, decoded(address.slice(1)))?.scrollIntoView()
    const diagram = link.origin === location.origin && link.pathname.startsWith("/d/")
    if (!within && diagram) navigate(link.pathname)
    return within || diagram
  }

  function click(event: MouseEvent<HTMLElement>) {
    const { target } = event
    if (!(target instanceof Element)) return
    const link = target.closest("a")
    const handled = target instanceof HTMLInputElement || (link && !event.ctrlKey && !event.metaKey && follow(link))
    if (target instanceof HTMLInputElement) tick(target)
    if (handled) event.preventDefault() // of a box as well: the source decides, and the box follows it
  }

  return (
    <div ref={scroller} className={styles.scroller} onScroll={onScroll}>
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: what is clicked in it are links and boxes, which keys click as well */}
      <article ref={host} className={styles.preview} data-read-only={onTick === null} onClick={click} />
      {parsed.blocks.length === 0 && <p className={styles.empty}>{said.empty}</p>}
      {slots.map(({ element, mermaid, embed }) =>
        createPortal(
          mermaid === undefined ? <EmbedCard id={embed ?? ""} /> : <MermaidBlock source={mermaid} element={element} />,
          element,
          keyOf(element),
        ),
      )}
    </div>
  )
}
