/** The canvas editor: Excalidraw, which nothing else imports but its neighbours here. */
import {
  CaptureUpdateAction,
  Excalidraw,
  hashElementsVersion,
  MainMenu,
  restoreAppState,
  restoreElements,
  WelcomeScreen,
} from "@excalidraw/excalidraw"
import "@excalidraw/excalidraw/index.css"
import type { ImportedDataState } from "@excalidraw/excalidraw/data/types"
import type { BinaryFileData, ExcalidrawImperativeAPI, ExcalidrawProps } from "@excalidraw/excalidraw/types"
import { useEffect, useImperativeHandle, useRef, useState } from "react"
import { useSentences } from "../../i18n/catalogue.ts"
import { language } from "../../i18n/language.ts"
import { downloadJson } from "../download.ts"
import type { Content, EditorProps, Scene } from "../editor.ts"
import { usePageTheme } from "../pageTheme.ts"
import styles from "./Canvas.module.css"
import { keepLibrary, readLibrary } from "./library.ts"
import { damageOf, lastingOf, sceneOf } from "./scene.ts"
import { canvas } from "./sentences.ts"

const OPTIONS: ExcalidrawProps["UIOptions"] = {
  canvasActions: { loadScene: false, saveToActiveFile: false, export: { saveFileToDisk: true }, toggleTheme: false },
}
const LANGUAGE_CODES = { en: "en", de: "de-DE" }

/** Checked by `damageOf`: what Excalidraw shows in full. */
function imported(scene: Scene | null | undefined): ImportedDataState {
  return { ...scene }
}

function filesOf(scene: Scene | null | undefined): BinaryFileData[] {
  return Object.values(imported(scene).files ?? {})
}

/** The same number as long as nothing that is saved has changed. Called at each frame, so it is cheap. */
function mark(elements: Parameters<typeof hashElementsVersion>[0], state: object): string {
  return `${hashElementsVersion(elements)} ${Object.values(lastingOf(state)).join(" ")}`
}

function showScene(excalidraw: ExcalidrawImperativeAPI, { elements, appState }: ImportedDataState): void {
  const { viewBackgroundColor, gridSize, gridStep, gridModeEnabled } = restoreAppState(
    appState,
    excalidraw.getAppState(),
  )
  excalidraw.updateScene({
    // The editor gives elements without an index a new version (excalidraw#11933): here they get one.
    elements: restoreElements(elements, null, { repairBindings: true }),
    appState: { viewBackgroundColor, gridSize, gridStep, gridModeEnabled },
    captureUpdate: CaptureUpdateAction.NEVER,
  })
}

export default function Canvas({ initial, ...props }: EditorProps) {
  const [damaged, setDamaged] = useState<Scene | null>(
    damageOf(initial.canvas_data) ? (initial.canvas_data ?? null) : null,
  )
  // Nothing is edited here, so that nothing is saved over it; what is whole again may come from elsewhere.
  const seen = { show: ({ canvas_data }: Content) => setDamaged(damageOf(canvas_data) ? (canvas_data ?? null) : null) }
  useImperativeHandle(damaged ? props.ref : null, () => seen)
  if (damaged) return <Damaged id={props.id} scene={damaged} />
  return <Drawing initial={initial} onDamaged={setDamaged} {...props} />
}

function Damaged({ id, scene }: { id: string; scene: Scene }) {
  const { damaged } = useSentences(canvas)
  return (
    <section className={styles.damaged} role="alert">
      <h2>{damaged.title}</h2>
      <p>{damaged.text}</p>
      <span>{damaged.detail}</span>
      <code>{damageOf(scene)}</code>
      <button type="button" onClick={() => downloadJson(id, scene)}>
        {damaged.download}
      </button>
    </section>
  )
}

function Drawing({ initial, readOnly, onEdit, onDamaged, ref }: EditorProps & { onDamaged: (scene: Scene) => void }) {
  const said = useSentences(canvas)
  const theme = usePageTheme()
  const host = useRef<HTMLDivElement>(null)
  const [excalidraw, setExcalidraw] = useState<ExcalidrawImperativeAPI | null>(null)
  const before = useRef<Scene>(initial.canvas_data ?? {})
  const seen = useRef<string | null>(null)
  const [ready, setReady] = useState(false)
  const [start] = useState(() => async () => ({
    ...imported(initial.canvas_data),
    libraryItems: await readLibrary(),
    scrollToContent: true,
  }))

  // Not before it can show: until then the page holds back what comes from elsewhere.
  useImperativeHandle(ready ? ref : null, () => {
    function show({ canvas_data }: Content): void {
      if (!excalidraw || canvas_data === undefined) return
      if (damageOf(canvas_data)) {
        onDamaged(canvas_data ?? {})
        return
      }
      before.current = canvas_data ?? {}
      excalidraw.addFiles(filesOf(canvas_data))
      showScene(excalidraw, imported(canvas_data))
      seen.current = mark(excalidraw.getSceneElementsIncludingDeleted(), excalidraw.getAppState())
    }
    return { show }
  }, [excalidraw, onDamaged])

  useEffect(() => {
    // A drawing is what a person came for: keys work at once.
    if (excalidraw) host.current?.querySelector<HTMLElement>(".excalidraw")?.focus({ preventScroll: true })
  }, [excalidraw])

  const onChange: ExcalidrawProps["onChange"] = (elements, state) => {
    if (state.isLoading || !excalidraw) return
    const next = mark(elements, state)
    const first = seen.current === null
    const changed = seen.current !== next
    seen.current = next
    if (first) setReady(true)
    if (first || !changed || readOnly) return
    onEdit(() => {
      const live = {
        elements: excalidraw.getSceneElements(),
        state: excalidraw.getAppState(),
        files: excalidraw.getFiles(),
      }
      return { canvas_data: sceneOf(live, before.current) }
    })
  }

  return (
    <div className={styles.canvas} ref={host}>
      <Excalidraw
        excalidrawAPI={setExcalidraw}
        initialData={start}
        onChange={onChange}
        onLibraryChange={keepLibrary}
        langCode={LANGUAGE_CODES[language.get()]}
        theme={theme}
        viewModeEnabled={readOnly}
        aiEnabled={false}
        validateEmbeddable={false}
        UIOptions={OPTIONS}
      >
        <MainMenu>
          <MainMenu.DefaultItems.SaveAsImage />
          <MainMenu.DefaultItems.Export />
          <MainMenu.DefaultItems.SearchMenu />
          <MainMenu.DefaultItems.Help />
          <MainMenu.DefaultItems.ClearCanvas />
          <MainMenu.Separator />
          <MainMenu.DefaultItems.ChangeCanvasBackground />
        </MainMenu>
        <WelcomeScreen>
          <WelcomeScreen.Hints.ToolbarHint />
          <WelcomeScreen.Center>
            <WelcomeScreen.Center.Heading>{said.empty}</WelcomeScreen.Center.Heading>
          </WelcomeScreen.Center>
        </WelcomeScreen>
      </Excalidraw>
    </div>
  )
}
