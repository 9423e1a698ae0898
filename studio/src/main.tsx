// The frame around all pages: their menu, errors, light and dark.

import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Graph } from "./graph/Page";
import { Inspector } from "./inspector/Page";
import { Playground } from "./playground/Page";
import { Training } from "./training/Page";
import "./style.css";

const PAGES = [
  { path: "/playground", title: "Playground" },
  { path: "/graph", title: "Graph" },
  { path: "/training", title: "Training" },
  { path: "/inspector", title: "Inspector" },
];

function placeOf(): { path: string; query: string } {
  const [path = "", query = ""] = location.hash.slice(1).split("?");
  const known = PAGES.some((page) => page.path === path);
  return { path: known ? path : "/playground", query };
}

function Studio() {
  const [place, setPlace] = useState(placeOf);
  const [error, setError] = useState("");
  const [theme, setTheme] = useState(startingTheme);
  useEffect(() => {
    const move = () => {
      setPlace(placeOf());
      setError("");
    };
    addEventListener("hashchange", move);
    return () => removeEventListener("hashchange", move);
  }, []);
  useEffect(() => {
    document.documentElement.dataset["theme"] = theme;
    document.title = `${PAGES.find((page) => page.path === place.path)?.title} · Nervure studio`;
  }, [theme, place.path]);
  const page = { query: place.query, onError: setError };
  return (
    <>
      <header>
        <span class="name">
          <img src="/leaf.svg" alt="" width="24" height="24" /> Nervure studio
        </span>
        <nav aria-label="Pages">
          {PAGES.map(({ path, title }) => (
            <a key={path} href={`#${path}`} aria-current={path === place.path ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <button
          class="theme"
          aria-label={theme === "dark" ? "Use light colours" : "Use dark colours"}
          onClick={() => setTheme(theme === "dark" ? "light" : "dark")}
        >
          {theme === "dark" ? "☀" : "☾"}
        </button>
      </header>
      <div role="alert" class="problem" hidden={!error}>
        <span>{error}</span>
        {error && (
          <button aria-label="Close this message" onClick={() => setError("")}>
            ×
          </button>
        )}
      </div>
      {place.path === "/playground" && <Playground {...page} />}
      {place.path === "/graph" && <Graph {...page} />}
      {place.path === "/training" && <Training {...page} />}
      {place.path === "/inspector" && <Inspector {...page} />}
    </>
  );
}

function startingTheme(): "light" | "dark" {
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

const root = document.getElementById("studio");
if (root) {
  root.textContent = "";
  render(<Studio />, root);
}
