//! From the shapes to the normalised document.

use std::collections::{HashMap, HashSet};

use super::capture::{
    BioLink, Capture, Coauthor, Comment, Kind, MediaType, MentionContext, MentionType, Page, Post, Profile, Related,
    SidecarChild, TaggedUser,
};
use super::lenient::{Id, List, Number, Slot, Text};
use super::refusal::Refusal;
use super::shapes::{self, Child, Connection, Edge, Hashtag, Image, Media, Person, Posts, User};
use super::values::{self, BIOGRAPHY, CAPTION, NAME};
use super::{Subject, not_a_shape};
use crate::{sentiment, text};

/// Mentions, and hashtags, kept of one caption; Instagram allows 20 and 30.
const TAGS_PER_CAPTION: usize = 100;

pub(super) fn user(mut user: User, subject: Subject) -> Result<Capture, Refusal> {
    let timeline = std::mem::take(&mut user.timeline);
    let related = std::mem::take(&mut user.related);
    let mut said = profile(user);
    let only_id = Profile { instagram_user_id: said.instagram_user_id.clone(), ..Profile::default() };
    if timeline.edges.0.is_some() && said == only_id {
        return self::timeline(timeline, said, subject);
    }
    said.username = said.username.or(subject.username);
    said.posts_count = values::count(timeline.count).or(said.posts_count);
    let mut gathered = Gathered::default();
    let page = gathered.posts(timeline);
    let capture = gathered.capture(Kind::Profile, page);
    Ok(Capture {
        posts_known: capture.posts_known || said.posts_count == Some(0),
        profile: Some(identified(said)?),
        related: related_profiles(related.edges),
        ..capture
    })
}

/// A page of posts. `said`: what stands beside it about the account; the rest is what the posts say of their owner.
/// Posts made together with others may belong to another account than the one whose page this is.
pub(super) fn timeline(timeline: Posts, mut said: Profile, subject: Subject) -> Result<Capture, Refusal> {
    said.posts_count = values::count(timeline.count).or(said.posts_count);
    let mut gathered = Gathered::default();
    let page = gathered.posts(timeline);
    let owners = std::mem::take(&mut gathered.owners);
    let owner = match (&said.instagram_user_id, &subject.username) {
        (Some(id), _) => owners.find(|owner| owner.instagram_user_id.as_ref() == Some(id)),
        (None, Some(asked)) if owners.differ() => owners.find(|owner| owner.username.as_ref() == Some(asked)),
        _ => owners.most_frequent(),
    };
    said.fill(owner.unwrap_or_default());
    said.username = said.username.or(subject.username);
    Ok(Capture { profile: Some(identified(said)?), ..gathered.capture(Kind::Timeline, page) })
}

pub(super) fn hashtag(hashtag: Hashtag) -> Result<Capture, Refusal> {
    if hashtag.media.edges.0.is_none() && hashtag.top_posts.edges.0.is_none() {
        return Err(not_a_shape("the hashtag page has no list of posts"));
    }
    let mut gathered = Gathered::default();
    let page = gathered.posts(hashtag.media);
    gathered.posts(hashtag.top_posts);
    Ok(gathered.capture(Kind::Hashtag, page))
}

/// One post, or the comments alone when it is not said whose they are.
pub(super) fn media(mut media: Media, subject: Subject) -> Result<Capture, Refusal> {
    if media.shortcode.0.is_none() && media.code.0.is_none() {
        media.shortcode = Id(subject.shortcode.map(Into::into));
    }
    let shown = [&mut media.parent_comments, &mut media.comments, &mut media.preview_comments]
        .into_iter()
        .find(|comments| comments.edges.0.is_some());
    let has_comments = shown.is_some();
    let page = shown.and_then(page);

    let mut gathered = Gathered::default();
    gathered.media(media);
    if !gathered.posts.is_empty() {
        let profile = std::mem::take(&mut gathered.owners).most_frequent();
        return Ok(Capture { profile, ..gathered.capture(Kind::Post, page) });
    }
    if !has_comments {
        return Err(not_a_shape("the post has no id or no shortcode"));
    }
    gathered.skipped = 0;
    Ok(gathered.capture(Kind::Comments, page))
}

fn identified(profile: Profile) -> Result<Profile, Refusal> {
    if profile.instagram_user_id.is_some() || profile.username.is_some() {
        Ok(profile)
    } else {
        Err(not_a_shape("the account has neither id nor username"))
    }
}

/// What has been found so far, without repetitions.
#[derive(Default)]
struct Gathered {
    posts: Vec<Post>,
    post_ids: HashSet<String>,
    shortcodes: HashSet<String>,
    skipped: u64,
    owners: Owners,
    comments: Vec<Comment>,
    comment_ids: HashSet<String>,
}

impl Gathered {
    fn capture(self, kind: Kind, page: Option<Page>) -> Capture {
        let none_exist = page.as_ref().is_some_and(|page| page.count == Some(0)) && kind != Kind::Comments;
        Capture {
            kind,
            digest: String::new(),
            profile: None,
            posts_known: !self.posts.is_empty() || none_exist,
            posts: self.posts,
            skipped_posts: self.skipped,
            related: Vec::new(),
            comments: self.comments,
            page,
        }
    }

    fn posts(&mut self, mut posts: Posts) -> Option<Page> {
        let page = page(&mut posts);
        for edge in posts.edges {
            self.media(edge.node);
        }
        page
    }

    fn media(&mut self, mut media: Media) {
        let id = values::media_id(std::mem::take(&mut media.pk), std::mem::take(&mut media.id));
        let shortcode =
            values::id(std::mem::take(&mut media.shortcode)).or_else(|| values::id(std::mem::take(&mut media.code)));
        for comments in [
            std::mem::take(&mut media.parent_comments.edges),
            std::mem::take(&mut media.comments.edges),
            std::mem::take(&mut media.preview_comments.edges),
            std::mem::take(&mut media.hoisted_comments.edges),
        ] {
            self.comments(comments, id.as_deref(), shortcode.as_deref());
        }
        let (Some(id), Some(shortcode)) = (id, shortcode) else {
            self.skipped += 1;
            return;
        };
        if self.posts.len() < shapes::POSTS
            && self.post_ids.insert(id.clone())
            && self.shortcodes.insert(shortcode.clone())
        {
            let owner = owner(&mut media);
            self.posts.push(post(media, id, shortcode, &owner));
            self.owners.add(owner);
        }
    }

    /// Comments and the answers under them, which come one level deep; deeper ones would only mean deeper recursion,
    /// and that is bounded by what serde_json reads.
    fn comments(
        &mut self,
        edges: List<Edge<shapes::Comment>, { shapes::COMMENTS }>,
        post_id: Option<&str>,
        shortcode: Option<&str>,
    ) {
        for Edge { node: comment, .. } in edges {
            if self.comments.len() >= shapes::COMMENTS {
                return;
            }
            if let (Some(id), Some(words)) = (values::id(comment.id), comment.text)
                && self.comment_ids.insert(id.clone())
            {
                let score = sentiment::score(&words);
                self.comments.push(Comment {
                    comment_id: id,
                    post_instagram_id: post_id.map(str::to_owned),
                    post_shortcode: shortcode.map(str::to_owned),
                    positive: score.positive,
                    negative: score.negative,
                    neutral: score.neutral,
                    compound: score.compound,
                });
            }
            self.comments(comment.replies.edges, post_id, shortcode);
        }
    }
}

/// The accounts that own the posts of a page, in order of appearance.
#[derive(Default)]
struct Owners {
    found: Vec<(Profile, usize)>,
    places: HashMap<String, usize>,
}

impl Owners {
    fn add(&mut self, owner: Profile) {
        let Some(key) = owner.instagram_user_id.as_ref().or(owner.username.as_ref()) else { return };
        match self.places.get(key) {
            Some(&place) => self.found[place].1 += 1,
            None => {
                self.places.insert(key.clone(), self.found.len());
                self.found.push((owner, 1));
            }
        }
    }

    fn differ(&self) -> bool {
        self.found.len() > 1
    }

    fn find(self, wanted: impl Fn(&Profile) -> bool) -> Option<Profile> {
        self.found.into_iter().map(|(owner, _)| owner).find(wanted)
    }

    /// The first of those that own most.
    fn most_frequent(self) -> Option<Profile> {
        self.found.into_iter().rev().max_by_key(|(_, posts)| *posts).map(|(owner, _)| owner)
    }
}

impl Profile {
    /// Takes from `other` what is not known yet.
    fn fill(&mut self, other: Profile) {
        macro_rules! fill {
            ($($field:ident)*) => { $(if self.$field.is_none() { self.$field = other.$field; })* };
        }
        fill! {
            instagram_user_id username full_name biography external_url profile_pic_url profile_pic_url_hd
            followers_count following_count posts_count is_verified is_private is_business_account
            is_professional_account category bio_links pronouns highlight_reel_count
        }
    }
}

fn profile(user: User) -> Profile {
    Profile {
        instagram_user_id: values::id(user.pk).or_else(|| values::id(user.id)),
        username: values::username(user.username),
        full_name: values::text(user.full_name, NAME),
        biography: values::text(user.biography, BIOGRAPHY),
        external_url: values::url(user.external_url),
        profile_pic_url: values::url(user.profile_pic_url),
        profile_pic_url_hd: values::url(user.profile_pic_url_hd)
            .or_else(|| values::url(user.hd_profile_pic_url_info.url)),
        followers_count: values::count(user.edge_followed_by.count.or(user.follower_count)),
        following_count: values::count(user.edge_follow.count.or(user.following_count)),
        posts_count: values::count(user.timeline.count.or(user.media_count)),
        is_verified: user.is_verified,
        is_private: user.is_private,
        is_business_account: user.is_business_account,
        is_professional_account: user.is_professional_account,
        category: category(user.category_name)
            .or_else(|| category(user.business_category_name))
            .or_else(|| category(user.overall_category_name)),
        bio_links: user.bio_links.0.map(|links| links.into_iter().filter_map(bio_link).collect()),
        pronouns: user.pronouns.0.map(|all| all.into_iter().filter_map(|word| values::name(word, NAME)).collect()),
        highlight_reel_count: values::count(user.highlight_reel_count),
    }
}

/// Instagram writes the absence of a business category as the word "None".
fn category(value: Text) -> Option<String> {
    values::name(value, NAME).filter(|category| category != "None")
}

fn bio_link(link: shapes::BioLink) -> Option<BioLink> {
    Some(BioLink {
        title: values::name(link.title, NAME),
        url: values::url(link.url)?,
        link_type: values::name(link.link_type, NAME),
    })
}

/// What a post says about its owner, in one object (`owner`) or, since 2024, in two (`user`).
fn owner(media: &mut Media) -> Profile {
    let said = |slot: Slot<Box<User>>| match slot {
        Slot::Given(user) => profile(*user),
        Slot::Absent | Slot::Nothing => Profile::default(),
    };
    let mut owner = said(std::mem::take(&mut media.owner));
    owner.fill(said(std::mem::take(&mut media.user)));
    owner
}

fn post(media: Media, id: String, shortcode: String, owner: &Profile) -> Post {
    let media_type = media_type(media.typename, media.media_type);
    let is_carousel = media_type.map(|kind| kind == MediaType::GraphSidecar);

    let likes = [media.edge_liked_by.count, media.edge_media_preview_like.count, media.like_count];
    let counts_hidden = media.counts_disabled == Some(true);
    let likes_hidden = counts_hidden || likes.iter().flatten().any(|&count| count < 0);
    let shown = |count: Number| if counts_hidden { None } else { values::count(count) };

    let children = match media.children.edges.0 {
        Some(edges) => edges.into_iter().map(|edge| sidecar_child(edge.node)).collect(),
        None => media.carousel_media.into_iter().map(sidecar_child).collect::<Vec<_>>(),
    };
    let children_count = i64::try_from(children.len()).ok().filter(|&count| count > 0);

    let tagged = match media.tagged.edges.0 {
        Some(edges) => Some(edges.into_iter().map(|edge| edge.node).collect::<Vec<_>>()),
        None => media.usertags.tags.0,
    };
    let tagged_users = tagged.map(|tags| tags.into_iter().filter_map(|tag| tagged_user(tag.user)).collect::<Vec<_>>());

    let caption =
        values::text(media.captions.edges.first().and_then(|edge| edge.node.text).or(media.caption.text), CAPTION);
    let mut hashtags = caption.as_deref().map(text::extract_hashtags).unwrap_or_default();
    hashtags.truncate(TAGS_PER_CAPTION);
    let mut mentions = caption.as_deref().map(text::extract_mentions).unwrap_or_default();
    mentions.truncate(TAGS_PER_CAPTION);
    let mention_contexts = mention_contexts(caption.as_deref(), &mentions, tagged_users.as_deref());

    let taken_at = values::time(media.taken_at_timestamp.or(media.taken_at));
    Post {
        is_video: media.is_video.or(media_type.map(|kind| kind == MediaType::GraphVideo)),
        is_pinned: pinned(media.pinned_for_users, media.timeline_pinned_user_ids, owner.instagram_user_id.as_deref()),
        instagram_post_id: id,
        shortcode,
        owner_id: owner.instagram_user_id.clone(),
        owner_username: owner.username.clone(),
        media_type,
        product_type: values::name(media.product_type, NAME),
        display_url: values::url(media.display_url).or_else(|| largest(media.image_versions.candidates)),
        thumbnail_src: values::url(media.thumbnail_src),
        video_url: values::url(media.video_url).or_else(|| largest(media.video_versions)),
        video_view_count: shown(media.video_view_count.or(media.view_count)),
        video_play_count: shown(media.video_play_count.or(media.play_count)),
        video_duration: media.video_duration.filter(|seconds| seconds.is_finite() && *seconds >= 0.0),
        has_audio: media.has_audio,
        width: values::count(media.dimensions.width.or(media.original_width)),
        height: values::count(media.dimensions.height.or(media.original_height)),
        accessibility_caption: values::text(media.accessibility_caption, CAPTION),
        likes_count: if likes_hidden { None } else { likes.into_iter().flatten().next() },
        comments_count: values::count(
            media
                .comments
                .count
                .or(media.parent_comments.count)
                .or(media.preview_comments.count)
                .or(media.comment_count),
        ),
        comments_disabled: media.comments_disabled,
        like_and_view_counts_disabled: media.counts_disabled,
        viewer_can_reshare: media.viewer_can_reshare.or(media.can_viewer_reshare),
        location_name: values::name(media.location.name, NAME),
        location_id: values::id(media.location.pk).or_else(|| values::id(media.location.id)),
        is_carousel,
        carousel_media_count: values::count(media.carousel_media_count).or(children_count),
        taken_at_timestamp: taken_at,
        posted_at: taken_at.and_then(values::rfc3339),
        is_paid_partnership: media.is_paid_partnership,
        sidecar_children: (!children.is_empty()).then_some(children),
        tagged_users,
        coauthor_producers: media.coauthors.0.map(|all| all.into_iter().filter_map(coauthor).collect()),
        hashtags,
        mentions,
        mention_contexts,
        caption,
    }
}

fn media_type(typename: Text, number: Number) -> Option<MediaType> {
    match (typename.as_deref(), number) {
        (Some("GraphImage" | "XDTGraphImage"), _) => Some(MediaType::GraphImage),
        (Some("GraphVideo" | "XDTGraphVideo"), _) => Some(MediaType::GraphVideo),
        (Some("GraphSidecar" | "XDTGraphSidecar"), _) => Some(MediaType::GraphSidecar),
        (_, Some(1)) => Some(MediaType::GraphImage),
        (_, Some(2)) => Some(MediaType::GraphVideo),
        (_, Some(8)) => Some(MediaType::GraphSidecar),
        _ => None,
    }
}

fn sidecar_child(child: Child) -> SidecarChild {
    SidecarChild {
        id: values::media_id(child.pk, child.id),
        shortcode: values::id(child.shortcode).or_else(|| values::id(child.code)),
        media_type: media_type(child.typename, child.media_type),
        display_url: values::url(child.display_url).or_else(|| largest(child.image_versions.candidates)),
        video_url: values::url(child.video_url).or_else(|| largest(child.video_versions)),
        width: values::count(child.dimensions.width.or(child.original_width)),
        height: values::count(child.dimensions.height.or(child.original_height)),
    }
}

/// The address of the largest version, the first of equals.
fn largest<const MAX: usize>(versions: List<Image, MAX>) -> Option<String> {
    let pixels = |image: &Image| image.width.unwrap_or(0).saturating_mul(image.height.unwrap_or(0));
    versions.into_iter().rev().max_by_key(pixels).and_then(|image| values::url(image.url))
}

fn tagged_user(person: Person) -> Option<TaggedUser> {
    Some(TaggedUser {
        username: values::username(person.username)?,
        id: values::id(person.pk).or_else(|| values::id(person.id)),
        full_name: values::text(person.full_name, NAME),
        is_verified: person.is_verified,
    })
}

fn coauthor(person: Person) -> Option<Coauthor> {
    Some(Coauthor {
        username: values::username(person.username)?,
        id: values::id(person.pk).or_else(|| values::id(person.id)),
        is_verified: person.is_verified,
    })
}

fn mention_contexts(caption: Option<&str>, mentions: &[String], tagged: Option<&[TaggedUser]>) -> Vec<MentionContext> {
    let in_caption = mentions.iter().map(|handle| MentionContext {
        mentioned_username: handle.clone(),
        mention_type: MentionType::Caption,
        mention_context: caption.and_then(|caption| text::mention_context(caption, handle)),
    });
    let mut seen = HashSet::new();
    let by_tag =
        tagged.unwrap_or_default().iter().filter(|user| seen.insert(&user.username)).map(|user| MentionContext {
            mentioned_username: user.username.clone(),
            mention_type: MentionType::Tag,
            mention_context: None,
        });
    in_caption.chain(by_tag).collect()
}

/// Whether the owner is among the accounts on whose page the post is pinned.
fn pinned<const U: usize, const I: usize>(
    users: List<Person, U>,
    ids: List<Id, I>,
    owner: Option<&str>,
) -> Option<bool> {
    if users.0.is_none() && ids.0.is_none() {
        return None;
    }
    let users = users.into_iter().filter_map(|user| values::id(user.pk).or_else(|| values::id(user.id)));
    let mut pinned_for = users.chain(ids.into_iter().filter_map(values::id)).peekable();
    if pinned_for.peek().is_none() {
        return Some(false);
    }
    owner.map(|owner| pinned_for.any(|id| id == owner))
}

fn related_profiles<const MAX: usize>(edges: List<Edge<User>, MAX>) -> Vec<Related> {
    let mut seen = HashSet::new();
    let accounts = edges.into_iter().map(|edge| profile(edge.node));
    let named = accounts.filter_map(|account| Some((account.username.clone()?, account)));
    let first = named.filter(|(username, _)| seen.insert(username.clone()));
    first
        .zip(1..)
        .map(|((related_username, account), rank)| Related {
            related_username,
            related_instagram_user_id: account.instagram_user_id,
            related_full_name: account.full_name,
            related_is_verified: account.is_verified,
            related_is_private: account.is_private,
            related_profile_pic_url: account.profile_pic_url,
            related_followers_count: account.followers_count,
            rank,
        })
        .collect()
}

/// Where the next page begins, and how many there are in all.
fn page<T, const MAX: usize>(connection: &mut Connection<T, MAX>) -> Option<Page> {
    let page = Page {
        count: values::count(connection.count),
        has_next_page: connection.page_info.has_next_page,
        end_cursor: values::name(std::mem::take(&mut connection.page_info.end_cursor), values::URL),
    };
    let silent = Page { count: None, has_next_page: None, end_cursor: None };
    (page != silent).then_some(page)
}
