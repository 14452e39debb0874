/** A scene to look at: it can be moved and zoomed, and not changed. */
import { Excalidraw, restoreElements } from "@excalidraw/excalidraw"
import "@excalidraw/excalidraw/index.css"
import type { ImportedDataState } from "@excalidraw/excalidraw/data/types"
import type { ExcalidrawImperativeAPI } from "@excalidraw/excalidraw/types"
import { useEffect, useState } from "react"
import type { Scene } from "../editor.ts"
import { usePageTheme } from "../pageTheme.ts"

type StillProps = { scene: Scene | null; shown?: string | null }

/** *shown*: the element to bring into view. */
export default function Still({ scene, shown = null }: StillProps) {
  const theme = usePageTheme()
  const [excalidraw, setExcalidraw] = useState<ExcalidrawImperativeAPI | null>(null)
  const [start] = useState(() => {
    const { elements, appState, files }: ImportedDataState = { ...scene }
    return {
      elements: restoreElements(elements, null),
      appState: { ...appState },
      files: { ...files },
      scrollToContent: true,
    }
  })
  useEffect(() => {
    const found = excalidraw?.getSceneElements().find((element) => element.id === shown)
    if (found) excalidraw?.scrollToContent(found, { fitToViewport: true, viewportZoomFactor: 0.4, maxZoom: 1.5 })
  }, [excalidraw, shown])
  return (
    <Excalidraw
      excalidrawAPI={setExcalidraw}
      initialData={start}
      theme={theme}
      viewModeEnabled
      zenModeEnabled
      aiEnabled={false}
      validateEmbeddable={false}
      handleKeyboardGlobally={false}
    />
  )
}
