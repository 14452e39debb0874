// Runs before any module: Excalidraw reads where its fonts are when it is loaded. A file, since the policy allows no inline script.
window.EXCALIDRAW_ASSET_PATH = "/excalidraw/"
