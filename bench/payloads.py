"""Real answers of 12 posts, varied so that no two are of the same account or hold the same post."""

import copy
import json
import os
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIXTURES = Path(os.environ.get("ANALYTICS_FIXTURES", ROOT.parent / "shared" / "fixtures")) / "instagram"
RECORDED = {
    "page of posts": FIXTURES / "decodo_user_posts_2024_nba.json",
    "profile with posts": FIXTURES / "profile_page_2020_instagram.json",
}
SAMPLE = ROOT / "standin" / "samples" / "aurora.example_profile.json"


def templates():
    """Name and answer of every recorded payload that is there; else of the project's own sample."""
    recorded = {name: json.loads(path.read_text()) for name, path in RECORDED.items() if path.exists()}
    return recorded or {"sample profile with posts": padded(json.loads(SAMPLE.read_text()))}


def posts(answer):
    """The post objects of an answer, by reference."""
    if isinstance(answer, list):
        return [post for item in answer for post in posts(item)]
    if not isinstance(answer, dict):
        return []
    timeline = answer.get("edge_owner_to_timeline_media")
    if isinstance(timeline, dict) and timeline.get("edges"):
        return [edge["node"] for edge in timeline["edges"]]
    return [post for value in answer.values() for post in posts(value)]


def padded(answer):
    """The sample with the addresses of smaller pictures, which make most of a recorded answer's size."""
    answer = copy.deepcopy(answer)
    for post in posts(answer):
        post["display_resources"] = [
            {"src": f"https://cdn.example/{post['shortcode']}_{width}.jpg?{'0123456789abcdef' * 20}", "config_width": width, "config_height": width}
            for width in (150, 240, 320, 480, 640, 750, 1080) * 4
        ]
    return answer


class Variants:
    """Texts of one template: the account and the posts are others in each, the size is the same."""

    def __init__(self, answer):
        self.text = json.dumps(answer, separators=(",", ":"))
        nodes = posts(answer)
        owners = [node["owner"] for node in nodes]
        self.owner = max(owners, key=owners.count)
        self.posts = [(node["id"], node["shortcode"]) for node in nodes]

    def make(self, number):
        text = self.text.replace(f'"id":"{self.owner["id"]}"', f'"id":"{7_000_000_000 + number}"')
        text = text.replace(f'"username":"{self.owner["username"]}"', f'"username":"bench{number}"')
        for position, (post_id, shortcode) in enumerate(self.posts):
            text = text.replace(post_id, f"{number:09d}{position:02d}".rjust(len(post_id), "9"))
            text = text.replace(shortcode, f"{number:09d}{position:02d}".rjust(len(shortcode), "B"))
        return text

    def recaptured(self, text, number):
        """The same posts some hours later: every like count has grown."""
        answer = json.loads(text)
        for node in posts(answer):
            for key in ("edge_media_preview_like", "edge_liked_by"):
                if node.get(key, {}).get("count", -1) >= 0:
                    node[key]["count"] += number + 1
        return json.dumps(answer, separators=(",", ":"))
