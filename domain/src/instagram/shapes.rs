//! The objects of Decodo's answers and of Instagram's, as far as they are read, in the spellings of 2020 to 2026.

use super::lenient::{Decimal, Flag, Id, Lenient, List, Number, Raw, Reader, Slot, Text, objects};

/// Caps on what is kept of an array; Instagram itself allows 20 children, 35 tags and 4 co-authors.
pub(super) const POSTS: usize = 2_000;
pub(super) const COMMENTS: usize = 10_000;
pub(super) const RELATED: usize = 100;
const PER_POST: usize = 100;
const LINKS: usize = 20;

pub(super) type Posts<'a> = Connection<'a, Edge<'a, Media<'a>>, POSTS>;
pub(super) type Comments<'a> = Connection<'a, Edge<'a, Comment<'a>>, COMMENTS>;

objects! {
    /// One level of wrapping; the levels of all shapes have different keys, so one type reads them all.
    Layer<'a> {
        results: List<Answer<'a>, 1> = "results",
        data: Slot<Box<Layer<'a>>> = "data",
        graphql: Slot<Box<Layer<'a>>> = "graphql",
        entry_data: Slot<Box<EntryData<'a>>> = "entry_data",
        user: Slot<Box<User<'a>>> = "user",
        shortcode_media: Slot<Box<Media<'a>>> = "shortcode_media",
        xdt_shortcode_media: Slot<Box<Media<'a>>> = "xdt_shortcode_media",
        hashtag: Slot<Box<Hashtag<'a>>> = "hashtag",
        xdt_timeline: Slot<Box<Posts<'a>>> = "xdt_api__v1__feed__user_timeline_graphql_connection",
        content: Raw<'a> = "content",
        query: Text<'a> = "query",
        shortcode: Text<'a> = "shortcode",
        code: Text<'a> = "code",
        status: Text<'a> = "status",
        status_code: Number = "status_code",
        parse_status_code: Number = "parse_status_code",
        message: Text<'a> = "message",
        require_login: Flag = "require_login",
        checkpoint_url: Text<'a> = "checkpoint_url",
    }

    /// An entry of `results` in Decodo's envelope.
    Answer<'a> {
        content: Raw<'a> = "content",
        query: Text<'a> = "query",
        status: Text<'a> = "status",
        status_code: Number = "status_code",
        message: Text<'a> = "message",
    }

    /// The pages of 2020 and before.
    EntryData<'a> {
        profile_page: List<Layer<'a>, 1> = "ProfilePage",
        post_page: List<Layer<'a>, 1> = "PostPage",
    }

    Connection<'a, T, MAX> {
        count: Number = "count",
        page_info: PageInfo<'a> = "page_info",
        edges: List<T, MAX> = "edges",
    }

    Edge<'a, T> {
        node: T = "node",
    }

    PageInfo<'a> {
        has_next_page: Flag = "has_next_page",
        end_cursor: Text<'a> = "end_cursor",
    }

    Counted<'a> {
        count: Number = "count",
    }

    User<'a> {
        id: Id<'a> = "id",
        pk: Id<'a> = "pk",
        username: Text<'a> = "username",
        full_name: Text<'a> = "full_name",
        biography: Text<'a> = "biography",
        external_url: Text<'a> = "external_url",
        profile_pic_url: Text<'a> = "profile_pic_url",
        profile_pic_url_hd: Text<'a> = "profile_pic_url_hd",
        hd_profile_pic_url_info: Image<'a> = "hd_profile_pic_url_info",
        edge_followed_by: Counted<'a> = "edge_followed_by",
        follower_count: Number = "follower_count",
        edge_follow: Counted<'a> = "edge_follow",
        following_count: Number = "following_count",
        media_count: Number = "media_count",
        is_verified: Flag = "is_verified",
        is_private: Flag = "is_private",
        is_business_account: Flag = "is_business_account",
        is_professional_account: Flag = "is_professional_account",
        category_name: Text<'a> = "category_name",
        business_category_name: Text<'a> = "business_category_name",
        overall_category_name: Text<'a> = "overall_category_name",
        bio_links: List<BioLink<'a>, LINKS> = "bio_links",
        pronouns: List<Text<'a>, LINKS> = "pronouns",
        highlight_reel_count: Number = "highlight_reel_count",
        timeline: Posts<'a> = "edge_owner_to_timeline_media",
        related: Connection<'a, Edge<'a, User<'a>>, RELATED> = "edge_related_profiles",
    }

    BioLink<'a> {
        title: Text<'a> = "title",
        url: Text<'a> = "url",
        link_type: Text<'a> = "link_type",
    }

    Hashtag<'a> {
        media: Posts<'a> = "edge_hashtag_to_media",
        top_posts: Posts<'a> = "edge_hashtag_to_top_posts",
    }

    Media<'a> {
        typename: Text<'a> = "__typename",
        media_type: Number = "media_type",
        id: Id<'a> = "id",
        pk: Id<'a> = "pk",
        shortcode: Id<'a> = "shortcode",
        code: Id<'a> = "code",
        owner: Slot<Box<User<'a>>> = "owner",
        user: Slot<Box<User<'a>>> = "user",
        product_type: Text<'a> = "product_type",
        is_video: Flag = "is_video",
        display_url: Text<'a> = "display_url",
        image_versions: Images<'a> = "image_versions2",
        thumbnail_src: Text<'a> = "thumbnail_src",
        video_url: Text<'a> = "video_url",
        video_versions: List<Image<'a>, PER_POST> = "video_versions",
        video_view_count: Number = "video_view_count",
        view_count: Number = "view_count",
        video_play_count: Number = "video_play_count",
        play_count: Number = "play_count",
        video_duration: Decimal = "video_duration",
        has_audio: Flag = "has_audio",
        dimensions: Size<'a> = "dimensions",
        original_width: Number = "original_width",
        original_height: Number = "original_height",
        captions: Connection<'a, Edge<'a, Caption<'a>>, 1> = "edge_media_to_caption",
        caption: Caption<'a> = "caption",
        accessibility_caption: Text<'a> = "accessibility_caption",
        edge_liked_by: Counted<'a> = "edge_liked_by",
        edge_media_preview_like: Counted<'a> = "edge_media_preview_like",
        like_count: Number = "like_count",
        comment_count: Number = "comment_count",
        comments: Comments<'a> = "edge_media_to_comment",
        parent_comments: Comments<'a> = "edge_media_to_parent_comment",
        preview_comments: Comments<'a> = "edge_media_preview_comment",
        hoisted_comments: Comments<'a> = "edge_media_to_hoisted_comment",
        comments_disabled: Flag = "comments_disabled",
        counts_disabled: Flag = "like_and_view_counts_disabled",
        viewer_can_reshare: Flag = "viewer_can_reshare",
        can_viewer_reshare: Flag = "can_viewer_reshare",
        location: Location<'a> = "location",
        taken_at_timestamp: Number = "taken_at_timestamp",
        taken_at: Number = "taken_at",
        pinned_for_users: List<Person<'a>, LINKS> = "pinned_for_users",
        timeline_pinned_user_ids: List<Id<'a>, LINKS> = "timeline_pinned_user_ids",
        is_paid_partnership: Flag = "is_paid_partnership",
        children: Connection<'a, Edge<'a, Child<'a>>, PER_POST> = "edge_sidecar_to_children",
        carousel_media: List<Child<'a>, PER_POST> = "carousel_media",
        carousel_media_count: Number = "carousel_media_count",
        tagged: Connection<'a, Edge<'a, Tag<'a>>, PER_POST> = "edge_media_to_tagged_user",
        usertags: UserTags<'a> = "usertags",
        coauthors: List<Person<'a>, PER_POST> = "coauthor_producers",
    }

    Caption<'a> {
        text: Text<'a> = "text",
    }

    Child<'a> {
        typename: Text<'a> = "__typename",
        media_type: Number = "media_type",
        id: Id<'a> = "id",
        pk: Id<'a> = "pk",
        shortcode: Id<'a> = "shortcode",
        code: Id<'a> = "code",
        display_url: Text<'a> = "display_url",
        image_versions: Images<'a> = "image_versions2",
        video_url: Text<'a> = "video_url",
        video_versions: List<Image<'a>, PER_POST> = "video_versions",
        dimensions: Size<'a> = "dimensions",
        original_width: Number = "original_width",
        original_height: Number = "original_height",
    }

    Images<'a> {
        candidates: List<Image<'a>, PER_POST> = "candidates",
    }

    Image<'a> {
        url: Text<'a> = "url",
        width: Number = "width",
        height: Number = "height",
    }

    Size<'a> {
        width: Number = "width",
        height: Number = "height",
    }

    Location<'a> {
        id: Id<'a> = "id",
        pk: Id<'a> = "pk",
        name: Text<'a> = "name",
    }

    Tag<'a> {
        user: Person<'a> = "user",
    }

    UserTags<'a> {
        tags: List<Tag<'a>, PER_POST> = "in",
    }

    Person<'a> {
        id: Id<'a> = "id",
        pk: Id<'a> = "pk",
        username: Text<'a> = "username",
        full_name: Text<'a> = "full_name",
        is_verified: Flag = "is_verified",
    }

    Comment<'a> {
        id: Id<'a> = "id",
        text: Text<'a> = "text",
        replies: Replies<'a> = "edge_threaded_comments",
    }

    Replies<'a> {
        edges: List<Edge<'a, Comment<'a>>, COMMENTS> = "edges",
    }
}
