/** A still picture of elements. */
import { exportToCanvas, restoreElements } from "@excalidraw/excalidraw"
import type { ImportedDataState } from "@excalidraw/excalidraw/data/types"
import { useEffect, useState } from "react"
import type { Scene } from "../editor.ts"
import styles from "../Modal.module.css"

async function draw(scene: Scene): Promise<string> {
  const { elements, files = {} }: ImportedDataState = { ...scene }
  const restored = restoreElements(elements, null)
  const drawn = await exportToCanvas({ elements: restored, files, maxWidthOrHeight: 480, exportPadding: 12 })
  return drawn.toDataURL()
}

export function Picture({ scene, label }: { scene: Scene; label: string }) {
  const [source, setSource] = useState("")
  useEffect(() => {
    let gone = false
    const show = (data: string) => !gone && setSource(data)
    void draw(scene).then(show, () => show(""))
    return () => {
      gone = true
    }
  }, [scene])
  return source ? (
    <img className={styles.picture} src={source} alt={label} />
  ) : (
    <span className={styles.none}>{label}</span>
  )
}
