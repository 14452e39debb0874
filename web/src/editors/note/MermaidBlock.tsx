import { useEffect, useState, useSyncExternalStore } from "react"
import { useSentences } from "../../i18n/catalogue.ts"
import { faultText } from "../code/faults.ts"
import { Icon } from "../code/Icon.tsx"
import { Previewer } from "../code/previewer.ts"
import { code } from "../code/sentences.ts"
import { blobUrl } from "../code/svgImage.ts"
import { pageTheme, usePageTheme } from "../pageTheme.ts"
import styles from "./Preview.module.css"

/** A fenced block of Mermaid in the preview. It is drawn when it comes near the screen. */
export function MermaidBlock({ source, element }: { source: string; element: HTMLElement }) {
  const said = useSentences(code)
  const [previewer] = useState(() => new Previewer(pageTheme()))
  const { drawing, fault, waiting } = useSyncExternalStore(previewer.subscribe, previewer.current)
  const [near, setNear] = useState(false)
  const theme = usePageTheme()

  useEffect(() => {
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) setNear(true)
      },
      { rootMargin: "600px" },
    )
    observer.observe(element)
    const print = () => setNear(true)
    addEventListener("beforeprint", print)
    return () => {
      observer.disconnect()
      removeEventListener("beforeprint", print)
    }
  }, [element])

  useEffect(() => {
    if (near) previewer.open(() => source)
  }, [near, previewer, source])
  useEffect(() => () => previewer.close(), [previewer])
  useEffect(() => {
    if (near) previewer.wear(theme)
  }, [near, previewer, theme])

  return (
    <figure className={styles.diagram} aria-busy={waiting} data-drawn={theme}>
      {drawing && (
        <img
          className={fault ? styles.stale : undefined}
          src={blobUrl(drawing)}
          width={Math.round(drawing.width)}
          height={Math.round(drawing.height)}
          alt={[drawing.title, drawing.description].filter(Boolean).join(". ") || `${said.picture}: ${drawing.type}`}
        />
      )}
      {!drawing && !fault && <span className={styles.waiting}>{said.drawing}</span>}
      {fault && (
        <figcaption>
          <Icon name="warning" />
          {fault.place ? `${said.line(fault.place.line)}: ` : ""}
          {faultText(fault)}
        </figcaption>
      )}
    </figure>
  )
}
