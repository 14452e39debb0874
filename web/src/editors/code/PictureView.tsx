/** A drawing that can be moved and zoomed by mouse, touch and keys. It fits itself until a person has moved it. */
import { type KeyboardEvent, type PointerEvent, useEffect, useLayoutEffect, useRef, useState } from "react"
import { useSentences } from "../../i18n/catalogue.ts"
import { Icon } from "./Icon.tsx"
import styles from "./PictureView.module.css"
import type { Drawing } from "./protocol.ts"
import { code } from "./sentences.ts"
import { blobUrl } from "./svgImage.ts"
import { fitted, moved, type Place, type Size, zoomed } from "./zoom.ts"

const STEP = 1.25
const MOVE = 60

const KEYS: Record<string, (place: Place, size: Size) => Place> = {
  ArrowLeft: (place) => moved(place, MOVE, 0),
  ArrowRight: (place) => moved(place, -MOVE, 0),
  ArrowUp: (place) => moved(place, 0, MOVE),
  ArrowDown: (place) => moved(place, 0, -MOVE),
  "+": (place, size) => zoomed(place, STEP, size.width / 2, size.height / 2),
  "-": (place, size) => zoomed(place, 1 / STEP, size.width / 2, size.height / 2),
}

function useSize(box: React.RefObject<HTMLDivElement | null>): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 })
  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const measure = () => setSize({ width: element.clientWidth, height: element.clientHeight })
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    measure()
    return () => observer.disconnect()
  }, [box])
  return size
}

export function PictureView({ drawing, stale }: { drawing: Drawing; stale: boolean }) {
  const said = useSentences(code)
  const box = useRef<HTMLDivElement>(null)
  const size = useSize(box)
  const [chosen, setChosen] = useState<Place | null>(null) // null: fits
  const place = chosen ?? fitted(drawing, size)
  const pointers = useRef(new Map<number, { x: number; y: number }>())

  const zoomAround = (factor: number) => setChosen(zoomed(place, factor, size.width / 2, size.height / 2))
  const change = useRef((_: (place: Place) => Place) => {})
  change.current = (how) => setChosen(how(place))

  // Not by React, whose wheel listeners cannot keep the page from zooming.
  useEffect(() => {
    const element = box.current
    const turn = (event: WheelEvent) => {
      event.preventDefault()
      const { left, top } = element?.getBoundingClientRect() ?? { left: 0, top: 0 }
      change.current((now) =>
        event.ctrlKey || event.metaKey
          ? zoomed(now, Math.exp(-event.deltaY / 200), event.clientX - left, event.clientY - top)
          : moved(now, -event.deltaX, -event.deltaY),
      )
    }
    element?.addEventListener("wheel", turn, { passive: false })
    return () => element?.removeEventListener("wheel", turn)
  }, [])

  function press(event: PointerEvent) {
    event.currentTarget.setPointerCapture(event.pointerId)
    pointers.current.set(event.pointerId, { x: event.clientX, y: event.clientY })
  }

  function drag(event: PointerEvent) {
    const before = pointers.current.get(event.pointerId)
    if (!before) return
    const now = { x: event.clientX, y: event.clientY }
    const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1]
    pointers.current.set(event.pointerId, now)
    if (!other) return setChosen(moved(place, now.x - before.x, now.y - before.y))
    const { left, top } = event.currentTarget.getBoundingClientRect()
    const apart = (one: typeof now) => Math.hypot(one.x - other.x, one.y - other.y) || 1
    setChosen(zoomed(place, apart(now) / apart(before), (now.x + other.x) / 2 - left, (now.y + other.y) / 2 - top))
  }

  const release = (event: PointerEvent) => pointers.current.delete(event.pointerId)

  function type(event: KeyboardEvent) {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const how = KEYS[event.key === "=" ? "+" : event.key]
    if (event.key === "0") setChosen(null)
    else if (how) setChosen(how(place, size))
    else return
    event.preventDefault()
  }

  const alt = [drawing.title, drawing.description].filter(Boolean).join(". ") || `${said.picture}: ${drawing.type}`
  return (
    <div className={styles.view}>
      <section
        ref={box}
        className={styles.box}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it is moved and zoomed by keys
        tabIndex={0}
        aria-label={said.pictureHelp}
        onKeyDown={type}
        onPointerDown={press}
        onPointerMove={drag}
        onPointerUp={release}
        onPointerCancel={release}
      >
        <img
          className={stale ? styles.stale : undefined}
          src={blobUrl(drawing)}
          alt={alt}
          draggable={false}
          style={{
            width: drawing.width * place.scale,
            height: drawing.height * place.scale,
            transform: `translate(${place.x}px, ${place.y}px)`,
          }}
        />
      </section>
      <div className={styles.controls}>
        <button type="button" aria-label={said.zoomOut} title={said.zoomOut} onClick={() => zoomAround(1 / STEP)}>
          <Icon name="minus" />
        </button>
        <button
          type="button"
          className={styles.percent}
          aria-label={said.actualSize}
          title={said.actualSize}
          onClick={() => zoomAround(1 / place.scale)}
        >
          {Math.round(place.scale * 100)} %
        </button>
        <button type="button" aria-label={said.zoomIn} title={said.zoomIn} onClick={() => zoomAround(STEP)}>
          <Icon name="plus" />
        </button>
        <button type="button" aria-label={said.fit} title={said.fit} onClick={() => setChosen(null)}>
          <Icon name="fit" />
        </button>
      </div>
    </div>
  )
}
