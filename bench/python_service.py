"""Storing an Instagram answer as a service written with SQLAlchemy 2 and psycopg 3 does: parse, then bulk upserts in one
session. It does no more than is needed for these shapes; in particular it neither resolves renamed accounts, nor removes
withdrawn mentions, nor refuses error bodies, as the extension does.
"""

import hashlib
import json
import re
from datetime import UTC, datetime

from sqlalchemy import MetaData, bindparam, case, cast, create_engine, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

MENTION = re.compile(r"(?<![\w@])@([A-Za-z0-9_.]{1,30})")
HASHTAG = re.compile(r"(?<!\w)#(\w*[^\W\d]\w*)")


def timeline_owner(answer):
    """The user object of an answer."""
    if "entry_data" in answer:
        return answer["entry_data"]["ProfilePage"][0]["graphql"]["user"]
    return answer["results"][0]["content"]["data"]["user"]


def count(value):
    number = (value or {}).get("count")
    return number if number is not None and number >= 0 else None


def unique(items):
    return list(dict.fromkeys(item.lower() for item in items))


def profile_row(user):
    return {
        "instagram_user_id": user["id"],
        "username": user["username"].lower(),
        "full_name": user.get("full_name"),
        "biography": user.get("biography"),
        "external_url": user.get("external_url"),
        "bio_links": user.get("bio_links"),
        "pronouns": user.get("pronouns"),
        "profile_pic_url": user.get("profile_pic_url"),
        "profile_pic_url_hd": user.get("profile_pic_url_hd"),
        "followers_count": count(user.get("edge_followed_by")),
        "following_count": count(user.get("edge_follow")),
        "posts_count": count(user.get("edge_owner_to_timeline_media")),
        "highlight_reel_count": user.get("highlight_reel_count"),
        "is_verified": user.get("is_verified"),
        "is_private": user.get("is_private"),
        "is_business_account": user.get("is_business_account"),
        "is_professional_account": user.get("is_professional_account"),
        "category": user.get("category_name"),
    }


def post_row(node, profile_id, followers, captured_at):
    captions = node["edge_media_to_caption"]["edges"]
    caption = captions[0]["node"]["text"] if captions else None
    likes, comments = count(node.get("edge_media_preview_like")), count(node.get("edge_media_to_comment"))
    tagged = [edge["node"]["user"] for edge in node.get("edge_media_to_tagged_user", {}).get("edges", [])]
    children = [edge["node"] for edge in node.get("edge_sidecar_to_children", {}).get("edges", [])]
    location = node.get("location") or {}
    return {
        "instagram_post_id": node["id"],
        "profile_id": profile_id,
        "shortcode": node["shortcode"],
        "owner_id": node["owner"]["id"],
        "owner_username": node["owner"].get("username"),
        "media_type": node["__typename"],
        "product_type": node.get("product_type"),
        "is_video": node["is_video"],
        "is_carousel": bool(children),
        "carousel_media_count": len(children) or None,
        "display_url": node["display_url"],
        "thumbnail_src": node.get("thumbnail_src"),
        "video_url": node.get("video_url"),
        "video_view_count": node.get("video_view_count"),
        "video_play_count": node.get("video_play_count"),
        "video_duration": node.get("video_duration"),
        "has_audio": node.get("has_audio"),
        "width": node["dimensions"]["width"],
        "height": node["dimensions"]["height"],
        "caption": caption,
        "accessibility_caption": node.get("accessibility_caption"),
        "likes_count": likes,
        "comments_count": comments,
        "engagement_rate_by_followers": (likes + comments) / followers * 100 if followers and likes is not None and comments is not None else None,
        "comments_disabled": node.get("comments_disabled"),
        "viewer_can_reshare": node.get("viewer_can_reshare"),
        "location_name": location.get("name"),
        "location_id": location.get("id"),
        "taken_at_timestamp": node["taken_at_timestamp"],
        "posted_at": datetime.fromtimestamp(node["taken_at_timestamp"], UTC),
        "sidecar_children": [
            {"id": child["id"], "shortcode": child.get("shortcode"), "media_type": child["__typename"], "display_url": child["display_url"],
             "video_url": child.get("video_url"), **child["dimensions"]}
            for child in children
        ] or None,
        "tagged_users": [
            {"id": user.get("id"), "username": user["username"], "full_name": user.get("full_name"), "is_verified": user.get("is_verified")}
            for user in tagged
        ],
        "coauthor_producers": node.get("coauthor_producers"),
        "hashtags": unique(HASHTAG.findall(caption or "")),
        "mentions": unique(MENTION.findall(caption or "")),
        "captured_at": captured_at,
    }


def comments(node):
    return [edge["node"] for edge in node["edge_media_to_comment"].get("edges", [])]


class Service:
    def __init__(self, url, tuned):
        """tuned: the payload's text goes to the server as it came, instead of being written anew from the parsed object."""
        self.tuned = tuned
        self.engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        metadata = MetaData()
        metadata.reflect(self.engine, schema="plain")
        self.tables = {table.name: table for table in metadata.tables.values()}
        posts = insert(self.tables["profile_posts"])
        kept = {"id", "instagram_post_id", "created_at"}
        self.upsert_posts = posts.on_conflict_do_update(
            index_elements=["instagram_post_id"],
            set_={column.name: posts.excluded[column.name] for column in self.tables["profile_posts"].columns if column.name not in kept},
        ).returning(self.tables["profile_posts"].c.id, self.tables["profile_posts"].c.instagram_post_id)
        self.insert_mentions = insert(self.tables["mentions"]).on_conflict_do_nothing()
        self.insert_related = insert(self.tables["related_profiles"]).on_conflict_do_nothing()
        self.insert_scores = insert(self.tables["comment_scores"]).on_conflict_do_nothing()
        self.upsert_sentiment = self.sentiment_of_posts()
        self.analyzer = SentimentIntensityAnalyzer()
        self.session = Session(self.engine)

    def ingest(self, text):
        answer = json.loads(text)
        now = datetime.now(UTC)
        user = timeline_owner(answer)
        nodes = [edge["node"] for edge in user["edge_owner_to_timeline_media"]["edges"]]
        is_profile = "edge_followed_by" in user
        if not is_profile:
            owners = [(node["owner"]["id"], node["owner"]["username"]) for node in nodes]
            user["id"], user["username"] = max(owners, key=owners.count)
        profile_id = self.store_profile(user, is_profile, now)
        followers = count(user.get("edge_followed_by"))
        rows = [post_row(node, profile_id, followers, now) for node in nodes]
        stored = {row.instagram_post_id: row.id for row in self.session.execute(self.upsert_posts, rows)}
        mentions = [
            {"profile_id": profile_id, "post_id": stored[row["instagram_post_id"]], "mentioned_username": name, "mention_type": kind,
             "mention_context": row["caption"][:120] if kind == "caption" else None, "mentioned_at": row["posted_at"]}
            for row in rows
            for kind, names in (("caption", row["mentions"]), ("tag", [tagged["username"] for tagged in row["tagged_users"]]))
            for name in names
        ]
        if mentions:
            self.session.execute(self.insert_mentions, mentions)
        related = [edge["node"] for edge in user.get("edge_related_profiles", {}).get("edges", [])]
        if related:
            self.session.execute(self.insert_related, [
                {"profile_id": profile_id, "related_username": other["username"], "related_full_name": other.get("full_name"),
                 "related_is_verified": other.get("is_verified"), "rank": rank, "discovered_at": now}
                for rank, other in enumerate(related, 1)])
        self.store_comments([(stored[node["id"]], comment) for node in nodes for comment in comments(node)])
        if is_profile:
            self.store_counts(profile_id, user, rows, now)
        payload = cast(text, JSONB) if self.tuned else answer
        self.session.execute(insert(self.tables["raw_payloads"]).on_conflict_do_nothing().values(
            profile_id=profile_id, digest=hashlib.sha256(text.encode()).digest(), captured_at=now, payload=payload))
        self.session.commit()

    def sentiment_of_posts(self):
        scores, posts = self.tables["comment_scores"].c, self.tables["profile_posts"].c
        mean = func.avg(scores.compound)
        word = case((mean >= 0.05, "positive"), (mean <= -0.05, "negative"), else_="neutral")
        columns = ("post_id", "profile_id", "positive_score", "negative_score", "neutral_score", "compound_score", "overall_sentiment", "comments_analyzed")
        values = select(posts.id, posts.profile_id, func.avg(scores.positive), func.avg(scores.negative), func.avg(scores.neutral), mean, word, func.count())
        statement = insert(self.tables["comment_sentiment"]).from_select(
            columns, values.join_from(self.tables["profile_posts"], self.tables["comment_scores"]).where(posts.id.in_(bindparam("posts", expanding=True))).group_by(posts.id))
        return statement.on_conflict_do_update(index_elements=["post_id"], set_={name: statement.excluded[name] for name in columns[1:]})

    def store_comments(self, found):
        if not found:
            return
        rows = []
        for post_id, comment in found:
            scores = self.analyzer.polarity_scores(comment["text"])
            rows.append({"post_id": post_id, "comment_id": comment["id"], "positive": scores["pos"], "negative": scores["neg"],
                         "neutral": scores["neu"], "compound": scores["compound"]})
        self.session.execute(self.insert_scores, rows)
        self.session.execute(self.upsert_sentiment, {"posts": list({row["post_id"] for row in rows})})

    def store_profile(self, user, is_profile, now):
        row = {"instagram_user_id": user["id"], "username": user["username"].lower()}
        if is_profile:
            row = profile_row(user) | {"captured_at": now}
        row["posts_captured_at"] = now
        statement = insert(self.tables["profiles"]).values(row)
        statement = statement.on_conflict_do_update(
            index_elements=["instagram_user_id"],
            set_={name: statement.excluded[name] for name in row if name != "instagram_user_id"} | {"updated_at": func.now()},
        )
        return self.session.execute(statement.returning(self.tables["profiles"].c.id)).scalar_one()

    def store_counts(self, profile_id, user, rows, now):
        rates = [row["engagement_rate_by_followers"] for row in rows if row["engagement_rate_by_followers"] is not None]
        profiles = self.tables["profiles"]
        self.session.execute(profiles.update().where(profiles.c.id == profile_id).values(
            engagement_rate_by_followers=sum(rates) / len(rates) if rates else None))
        self.session.execute(insert(self.tables["profile_history"]).values(
            profile_id=profile_id, captured_at=now, followers_count=count(user["edge_followed_by"]),
            following_count=count(user["edge_follow"]), posts_count=count(user["edge_owner_to_timeline_media"])))
